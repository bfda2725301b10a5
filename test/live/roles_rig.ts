/**
 * A server with roles and somebody of each, for live tests of what it refuses.
 *
 * Does NOT promise: that a message that is not there will not come; order decides: what was sent later is awaited.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as assert from "uvu/assert";
import { nodeIdOfKey, tagOfKey } from "../../transport/nats_keys.ts";
import { type NatsRole, type NatsUser, usersText } from "../../transport/nats_roles.ts";
import type { RealBus } from "../../transport/real_bus.ts";
import type { NatsServer } from "../../transport/real_nats_server.ts";
import { newNkey, type Nkey } from "../../transport/real_nkeys.ts";
import { type NodeId, type Tag, tagOf } from "../../transport/wire/terms.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { BusMessage } from "../../transport/world.ts";
import { Inbox } from "../contracts/port_fixture.ts";
import { NatsRig, until } from "./nats.ts";

/** The cluster of these tests. */
export const EDGE = "edge";

/** Somebody with a key. */
export interface Somebody {
  readonly user: NatsUser;
  readonly key: Nkey;
  readonly nodeId: NodeId;
  readonly tag: Tag;
}

/** Makes somebody; a node's id is one of its own, as in life. */
export function somebody(role: NatsRole, name: string): Somebody {
  const key = newNkey();
  const nodeId = role === "node" ? nodeIdOfKey(newNkey().publicKey) : nodeIdOfKey(key.publicKey);
  const tag = role === "node" ? tagOf(nodeId) : tagOfKey(key.publicKey);
  return { user: { role, name, key: key.publicKey, tag }, key, nodeId, tag };
}

/** A server, its users' file, and who may connect. */
export class RolesRig {
  readonly nats = new NatsRig();
  readonly all = {
    n0: somebody("node", "n0"),
    n1: somebody("node", "n1"),
    n2: somebody("node", "n2"),
    monitor: somebody("monitor", "watcher"),
    client: somebody("client", "asker"),
    other: somebody("client", "other"),
    admin: somebody("admin", "boss"),
  };
  #server: NatsServer | undefined;
  #folder = "";

  static async start(): Promise<RolesRig> {
    const rig = new RolesRig();
    rig.#folder = rig.nats.folder("roles");
    mkdirSync(rig.#folder, { recursive: true });
    rig.#write(Object.values(rig.all));
    rig.#server = await rig.nats.server({
      name: "roles",
      storeFolder: rig.nats.store("roles"),
      roles: { cluster: EDGE, users: "users.conf" },
    });
    return rig;
  }

  get address(): string {
    return this.#server?.address ?? "";
  }

  /** Lets these in and nobody else, as the daemon does. */
  reload(who: readonly Somebody[]): void {
    this.#write(who);
    process.kill(this.#server?.child.pid ?? 0, "SIGHUP");
  }

  #write(who: readonly Somebody[]): void {
    writeFileSync(join(this.#folder, "users.conf"), usersText(EDGE, who.map(({ user }) => user)));
  }

  /** A bus of somebody, not waited for. */
  dial(who: Somebody): RealBus {
    return this.nats.dial([this.address], { name: who.user.name, login: { seed: who.key.seed } });
  }

  /** The same, connected. */
  async bus(who: Somebody): Promise<RealBus> {
    const bus = this.dial(who);
    await until(bus, "connected");
    return bus;
  }
}

/** Demands that the server forbids to publish there, and says so. */
export async function mayNotPublish(bus: RealBus, subject: string): Promise<void> {
  bus.publish(subject, new Uint8Array([1]));
  await forbidden(bus, `to publish ${subject}`);
}

/** Demands that the server forbids to hear that, and says so. */
export async function mayNotHear(bus: RealBus, pattern: string): Promise<void> {
  const end = bus.subscribe(pattern, () => assert.unreachable(`${pattern} is heard`));
  await forbidden(bus, `to subscribe to ${pattern}`);
  end();
}

async function forbidden(bus: RealBus, what: string): Promise<void> {
  await bus.flush(5000);
  // The server has said it before it answered; the client tells of it in a later turn.
  for (let turn = 0; turn < 1000 && !bus.trouble?.includes(what); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.match(bus.trouble ?? "nothing", `the server forbids`, what);
  assert.ok(bus.trouble?.includes(what), `${what}; but: ${bus.trouble}`);
}

/** Demands that a question to the server is forbidden. */
export async function mayNotAsk(bus: RealBus, subject: string, question: object): Promise<void> {
  const error = await ask(bus, subject, question).then(() => undefined, (thrown) => thrown);
  assert.instance(error, CtdbxError, `${subject} is answered`);
  assert.is((error as CtdbxError).code, "denied", String(error));
}

/** Asks the server itself; its answer. */
export async function ask(bus: RealBus, subject: string, question: object): Promise<unknown> {
  const bytes = new TextEncoder().encode(JSON.stringify(question));
  const { payload } = await bus.request(subject, bytes, 5000);
  return JSON.parse(new TextDecoder().decode(payload));
}

/** What a bus hears on a pattern: subjects, in order. */
export function hears(bus: RealBus, pattern: string): Promise<Inbox<string>> {
  return heardBy(bus, pattern, ({ subject }) => subject);
}

/** The same: what is in the messages. */
export function hearsTexts(bus: RealBus, pattern: string): Promise<Inbox<string>> {
  return heardBy(bus, pattern, ({ payload }) => new TextDecoder().decode(payload));
}

/** The same: where their answers are awaited. */
export function hearsReplies(bus: RealBus, pattern: string): Promise<Inbox<string>> {
  return heardBy(bus, pattern, ({ reply = "" }) => reply);
}

async function heardBy(
  bus: RealBus,
  pattern: string,
  part: (message: BusMessage) => string,
): Promise<Inbox<string>> {
  const heard = new Inbox<string>();
  bus.subscribe(pattern, (message) => heard.put(part(message)));
  await bus.flush(5000);
  return heard;
}
