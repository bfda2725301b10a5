/**
 * A node with event scripts, for live tests: its folder of scripts, its daemon, what scripts have told.
 *
 * Does NOT promise: more than one node.
 */

import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { EventStatus } from "../../actors/verbs/events.ts";
import { askOnce } from "../../cli/commands/asking.ts";
import { until } from "../../cli/processes.ts";
import { DaemonHome } from "./daemon_home.ts";
import { freePorts, NatsRig } from "./nats.ts";
import { ctdbx, type Process } from "./process.ts";

/** How long anything may take to be seen, ms. */
const SEEN_MS = 100_000;

/** One node. */
export class EventNode {
  readonly home: DaemonHome;
  readonly #nats = new NatsRig();
  #daemon: Process | undefined;

  private constructor(home: DaemonHome) {
    this.home = home;
  }

  /** A node whose scripts are `scripts`, by name; `section`: what [scripts] says besides `dir`. */
  static async make(
    scripts: Readonly<Record<string, string>>,
    section: string,
  ): Promise<EventNode> {
    const node = new EventNode(await DaemonHome.member());
    mkdirSync(node.folder, { recursive: true, mode: 0o755 });
    for (const [name, text] of Object.entries(scripts)) node.script(name, text);
    const [port = 0] = await freePorts(1);
    await node.#nats.server({ client: { port } });
    node.home.configure(port);
    appendFileSync(node.home.paths.config, `\n[scripts]\ndir = "${node.base}"\n${section}\n`);
    return node;
  }

  /** CTDB_BASE. */
  get base(): string {
    return join(this.home.home, "etc");
  }

  /** The folder of scripts. */
  get folder(): string {
    return join(this.base, "events", "legacy");
  }

  /** Writes NN.NAME.script. */
  script(name: string, text: string): void {
    const path = join(this.folder, `${name}.script`);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  }

  /** A file that scripts read, replaced as a whole. */
  put(name: string, text: string): void {
    const path = join(this.base, name);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  /** What scripts have written to a file. */
  told(name: string): string {
    const path = join(this.base, name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  start(): Process {
    return this.#daemon = ctdbx(["daemon", "run", "--home", this.home.home]);
  }

  /** Asks the daemon. */
  async ask<T>(verb: string, args: Readonly<Record<string, unknown>> = {}): Promise<T> {
    return await askOnce(this.home.paths, verb, args) as T;
  }

  /** Waits until its events are like that. */
  async events(what: string, isSo: (status: EventStatus) => boolean): Promise<EventStatus> {
    let last: EventStatus | undefined;
    const found = await until(async () => {
      last = await this.ask<EventStatus>("event status").catch(() => undefined);
      return last !== undefined && isSo(last);
    }, SEEN_MS);
    assert.ok(found, `not ${what}: ${JSON.stringify(last)}`);
    return last as EventStatus;
  }

  /** Waits until a file of scripts holds something. */
  async holds(name: string, form: RegExp): Promise<RegExpExecArray> {
    const found = await until(() => form.test(this.told(name)), SEEN_MS);
    assert.ok(found, `${name} does not hold ${form}: ${this.told(name)}`);
    return form.exec(this.told(name)) as RegExpExecArray;
  }

  async end(): Promise<void> {
    await this.home.end();
    await this.#nats.end();
  }
}
