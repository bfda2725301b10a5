/**
 * How a program without a node finds one on the bus, and the tunnel to it.
 *
 *   seek to any ─▶ the first offer ─▶ packets to that node; answers come to one subject of this session
 *
 * Does NOT promise: the nearest node; the one that answers first.
 */
import { PACKET, readPacket, writePacket } from "../../transport/wire/client/tunnel_layout.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import type { Tag } from "../../transport/wire/terms.ts";
import type { Bus, Clock, Dice, StreamEvents } from "../../transport/world.ts";
import { Tunnel } from "../tunnel.ts";
import type { Wire } from "./connection.ts";

/** A node that says nothing for so long is gone, ms; it gives a sign every two seconds. */
const SILENCE_MS = 5000;
/** It is asked again after so long, ms. */
const SEEK_MS = 200;
const TAG = /^[a-z2-7]{10}$/;

/** A bus that may know that asking on is of no use. */
export interface DialBus extends Bus {
  /** The servers refuse this program, or forbid it what it has asked for; `trouble` says which. */
  readonly isRefused?: boolean;
}

/** What it needs. */
export interface NatsDialParts {
  readonly bus: DialBus;
  readonly clock: Clock;
  readonly dice: Dice;
  /** The cluster's name. */
  readonly cluster: string;
  /** This program in subjects. */
  readonly tag: Tag;
  /** First tokens of the subjects at which it may hear. */
  readonly inbox: string;
  /** How long a node is looked for, ms. */
  readonly timeoutMs: number;
  /** Is a refusal the end of it? Otherwise it may be that keys are just being changed. Default false. */
  readonly endsRefused?: boolean;
}

/**
 * Finds a node, and opens a way to it. Throws "timeout" with what is wrong with the bus; "denied", at once, when the
 * servers refuse this program and that `endsRefused`.
 */
export async function dialNats(parts: NatsDialParts, events: StreamEvents): Promise<Wire> {
  const { bus, clock, dice, inbox } = parts;
  const session = Array.from(
    { length: 4 },
    () => dice.u32().toString(16).padStart(8, "0"),
  ).join("");
  const reply = `${inbox}.${session}`;
  const way: { tunnel?: Tunnel } = {};
  let onOffer: (tag: Tag) => void = () => {};
  const stop = bus.subscribe(reply, ({ payload }) => {
    const packet = readPacket(payload);
    if (packet === undefined || packet.session !== session) return;
    if (packet.kind !== PACKET.offer) return way.tunnel?.take(packet);
    const tag = new TextDecoder().decode(packet.bytes);
    if (TAG.test(tag)) onOffer(tag as Tag);
  });
  let node: Tag;
  try {
    node = await seek(parts, session, reply, (told) => onOffer = told);
  } catch (error) {
    stop();
    throw error;
  }
  const { cluster, tag: from } = parts;
  const subject = buildSubject({ cluster, class: "cl", to: node, from });
  const opened = new Tunnel({
    clock,
    session,
    payloadMax: bus.payloadMax,
    silenceMs: SILENCE_MS,
    publish: (packet) => {
      // While the bus is away packets are lost; they go again.
      if (bus.status === "connected") bus.publish(subject, packet, reply);
    },
  });
  way.tunnel = opened;
  opened.open({
    onBytes: (bytes) => events.onBytes(bytes),
    onClose: (error) => {
      stop();
      events.onClose(error);
    },
  });
  return {
    write: (bytes) => opened.write(bytes),
    close: () => {
      opened.close();
      stop();
    },
  };
}

/** The node that answers first. */
function seek(
  { bus, clock, cluster, tag, timeoutMs, endsRefused = false }: NatsDialParts,
  session: string,
  reply: string,
  onOffer: (told: (tag: Tag) => void) => void,
): Promise<Tag> {
  const subject = buildSubject({ cluster, class: "cl", to: "any", from: tag });
  const untilMs = clock.nowMs() + timeoutMs;
  return new Promise((resolve, reject) => {
    let callOff = () => {};
    onOffer((found) => {
      callOff();
      onOffer(() => {});
      resolve(found);
    });
    const ask = () => {
      const isRefused = endsRefused && bus.isRefused === true;
      if (isRefused || clock.nowMs() >= untilMs || bus.status === "closed") {
        const text = `Cannot find cluster ${cluster}: ${whyNot(bus)}`;
        return reject(new CtdbxError(isRefused ? "denied" : "timeout", text));
      }
      if (bus.status === "connected") {
        bus.publish(subject, writePacket(PACKET.seek, session), reply);
      }
      callOff = clock.after(bus.status === "connected" ? SEEK_MS : 10, ask);
    };
    ask();
  });
}

/** Why no node is found, a phrase. */
function whyNot({ status, trouble }: DialBus): string {
  if (status !== "connected") return `no NATS: ${trouble ?? "not connected"}`;
  if (trouble !== undefined) return `${trouble} Is the cluster called so?`;
  return "no node of it serves, or none is called so";
}
