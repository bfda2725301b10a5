/**
 * A machine that is no node yet, asking nodes over NATS with nothing but its invitation.
 *
 *   connect (retried: the server learns of a new key a moment later) ─▶ ask each seed in turn ─▶ the first answer
 *
 * Does NOT promise: the same node for two questions.
 */

import { RealBus } from "../../transport/real_bus.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDice } from "../../transport/real_dice.ts";
import type { BusLogin } from "../../transport/real_nats_login.ts";
import { Codec } from "../../transport/wire/codec.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import { type Generation, type NodeId, type Tag, tagOf } from "../../transport/wire/terms.ts";
import { EXIT, EXIT_OF } from "../exit_codes.ts";
import { Failure } from "../failure.ts";

/** How long a connection is tried for, ms. */
export const CONNECT_MS = 4000;
/** A node that is asked something gets so long, ms; it may have to ask the leader. */
const ANSWER_MS = 12_000;
/** A node that is only looked at gets so long, ms. */
const LOOK_MS = 2500;

/** Who asks, and whom. */
export interface StrangerOptions {
  readonly cluster: string;
  readonly own: NodeId;
  readonly servers: readonly string[];
  readonly login: BusLogin;
  /** Nodes that can be asked, in this order. */
  readonly seeds: readonly NodeId[];
}

/** An answer, and when it was sent off and came, ms since 1970. */
export interface Timed {
  readonly ok: unknown;
  readonly sentWallMs: number;
  readonly cameWallMs: number;
}

/** One connection. */
export class Stranger {
  readonly #options: StrangerOptions;
  readonly #bus: RealBus;
  readonly #codec: Codec;

  private constructor(options: StrangerOptions, bus: RealBus) {
    this.#options = options;
    this.#bus = bus;
    const dice = new RealDice();
    const firstId = (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
    // It names no cluster: whose answer this is, the answer says; another cluster of this name must be told from ours.
    this.#codec = new Codec({ cluster: options.cluster, own: options.own, firstId });
  }

  /** Connects; a text: why it is not possible. `close` it in the end. Throws Failure (usage) on a bad address. */
  static async connect(options: StrangerOptions): Promise<Stranger | string> {
    let bus: RealBus;
    try {
      bus = new RealBus({
        servers: options.servers,
        name: `ctdbx ${options.cluster} joiner`,
        login: options.login,
        clock: new RealClock(),
        dice: new RealDice(),
        // What goes wrong is told by the command itself.
        log: { write: () => {} },
      });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new Failure(EXIT.usage, `Cannot connect: ${text}`);
    }
    if (await isConnected(bus)) return new Stranger(options, bus);
    const trouble = bus.trouble ?? "no server answers";
    await bus.close();
    return trouble;
  }

  async close(): Promise<void> {
    await this.#bus.close();
  }

  /** Asks a question that changes nothing, one seed after the other. Throws Failure with what the last one said. */
  look(verb: string, args: Readonly<Record<string, unknown>>): Promise<Timed> {
    return this.#askAll(verb, args, LOOK_MS);
  }

  /** Asks for a change, which must bear being asked for twice. Throws Failure: "unknown outcome" without an answer. */
  ask(verb: string, args: Readonly<Record<string, unknown>>): Promise<Timed> {
    return this.#askAll(verb, args, ANSWER_MS);
  }

  async #askAll(
    verb: string,
    args: Readonly<Record<string, unknown>>,
    waitMs: number,
  ): Promise<Timed> {
    let last = new Failure(EXIT.noQuorum, `Cannot ask "${verb}": no node is known`);
    for (const seed of this.#options.seeds) {
      try {
        return await this.#askOne(seed, verb, args, waitMs);
      } catch (error) {
        if (!(error instanceof Failure) || !isPassing(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  async #askOne(
    to: NodeId,
    verb: string,
    args: Readonly<Record<string, unknown>>,
    waitMs: number,
  ): Promise<Timed> {
    const { cluster, own } = this.#options;
    const message = { kind: "ask", verb, args: JSON.stringify(args) } as const;
    const [payload] = this.#codec.encode(message, { gen: 0n as Generation, stamp: 0n });
    if (payload === undefined) throw new RangeError("Cannot ask: too long");
    const subject = buildSubject({ cluster, class: "ask", to: tagOf(to), from: tagOf(own) });
    const sentWallMs = Date.now();
    const answer = await this.#request(subject, payload, waitMs, tagOf(to));
    const cameWallMs = Date.now();
    const received = this.#codec.decode(undefined, answer, performance.now());
    if (received === undefined || isRefusal(received)) {
      const why = received === undefined ? "its answer was cut" : received.text;
      throw new Failure(EXIT.version, `Cannot read the answer of ${tagOf(to)}: ${why}`);
    }
    const { message: said } = received;
    if (said.kind !== "answer") {
      throw new Failure(EXIT.other, `Cannot use the answer of ${tagOf(to)}: it is ${said.kind}`);
    }
    if (said.ok === undefined) {
      const { code = "io", text = "it failed" } = said;
      throw new Failure(EXIT_OF[code], text);
    }
    return { ok: JSON.parse(said.ok), sentWallMs, cameWallMs };
  }

  async #request(
    subject: string,
    payload: Uint8Array,
    waitMs: number,
    tag: Tag,
  ): Promise<Uint8Array> {
    try {
      return (await this.#bus.request(subject, payload, waitMs)).payload;
    } catch (error) {
      if (!(error instanceof CtdbxError)) throw error;
      if (error.code === "not_found") {
        throw new Failure(EXIT.noQuorum, `Cannot ask ${tag}: it is not there`);
      }
      if (error.code === "denied") throw new Failure(EXIT.denied, error.message);
      throw new Failure(EXIT.unknownOutcome, `Cannot tell the outcome: ${error.message}`);
    }
  }
}

/** May another node do better? */
function isPassing({ exit }: Failure): boolean {
  return exit === EXIT.noQuorum || exit === EXIT.unknownOutcome;
}

/** Waits for the connection; false: it does not come. */
async function isConnected(bus: RealBus): Promise<boolean> {
  const isUp = (): boolean => bus.status === "connected";
  if (isUp()) return true;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = bus.watch((status) => void (status === "connected" && resolve()));
  const timer = setTimeout(resolve, CONNECT_MS);
  await promise;
  clearTimeout(timer);
  end();
  return isUp();
}
