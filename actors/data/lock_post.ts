/**
 * How desks of locks wake each other: program messages of a srvid of their own, a line of JSON each.
 *
 *   {"key", "token": [gen, seq, rsn], "owners": [[pnn, incarnation, client, id], ...]}     you have it
 *
 * Does NOT promise: that a wake arrives; who waits asks again.
 */
import type { NodeId, Pnn } from "../../transport/wire/terms.ts";
import type { Generation, Incarnation, Rsn } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import type { ProgramItem } from "../machines/messages/events.ts";
import { itemBytes } from "../machines/messages/events.ts";
import type { Key } from "../machines/record/copy.ts";
import type { Owner, Token } from "../machines/locks/value.ts";
import type { Messages } from "../messages.ts";

/** Their srvid; the top byte is that of all that data threads say to each other. */
const LOCK_SRVID = 0xf700_0000_0000_0002n;
/** Registering is tried again after so long, ms. */
const RETRY_MS = 200;

/** What it needs. */
export interface LockPostParts {
  readonly pid: number;
  readonly clock: Clock;
  readonly messages: Messages;
  readonly nodeOf: (pnn: Pnn) => NodeId | undefined;
  readonly onWake: (key: Key, token: Token, owner: Owner) => void;
}

/** One node's. */
export class LockPost {
  readonly #parts: LockPostParts;
  readonly #program: number;

  constructor(parts: LockPostParts) {
    this.#parts = parts;
    this.#program = parts.messages.open(parts.pid, 0n);
  }

  /** A life of the node begins. */
  begin(): void {
    const { messages, clock } = this.#parts;
    messages.register(this.#program, LOCK_SRVID).catch(() => {
      clock.after(RETRY_MS, () => this.begin());
    });
  }

  /** Is this program its own? */
  has(program: number): boolean {
    return program === this.#program;
  }

  /** Tells owners on other nodes that they have a lock. */
  tell(key: Key, { gen, seq, rsn }: Token, owners: readonly Owner[]): void {
    const nodes = new Map<Pnn, (readonly [number, string, number, number])[]>();
    for (const { pnn, incarnation, client, id } of owners) {
      const some = nodes.get(pnn) ?? [];
      nodes.set(pnn, some);
      some.push([pnn, `${incarnation}`, client, id]);
    }
    const { messages, nodeOf } = this.#parts;
    for (const [pnn, some] of nodes) {
      const to = nodeOf(pnn);
      if (to === undefined) continue;
      const word = { key, token: [`${gen}`, seq, `${rsn}`], owners: some };
      const bytes = new TextEncoder().encode(JSON.stringify(word));
      // Whoever is not told asks again.
      messages.send(this.#program, to, LOCK_SRVID, bytes).catch(() => {});
    }
  }

  /** What came by program messages. */
  deliver(items: readonly ProgramItem[]): void {
    let size = 0;
    for (const item of items) {
      size += itemBytes(item);
      // Only a desk has this number, on every node.
      if (item.type === "message" && item.from.program === this.#program) this.#take(item.data);
      else if (item.type === "ended") this.begin();
    }
    this.#parts.messages.took(this.#program, items.length, size);
  }

  #take(data: Uint8Array): void {
    const word = readWake(data);
    if (word === undefined) return;
    for (const owner of word.owners) this.#parts.onWake(word.key, word.token, owner);
  }
}

interface WakeWord {
  readonly key: Key;
  readonly token: Token;
  readonly owners: readonly Owner[];
}

const DIGITS = /^[0-9]{1,20}$/;

function readWake(data: Uint8Array): WakeWord | undefined {
  try {
    const { key, token, owners } = JSON.parse(new TextDecoder().decode(data)) as {
      readonly key: unknown;
      readonly token: readonly unknown[];
      readonly owners: readonly (readonly unknown[])[];
    };
    if (typeof key !== "string") return undefined;
    const [gen, seq, rsn] = [wide(token[0]), narrow(token[1]), wide(token[2])];
    return {
      key,
      token: { gen: gen as Generation, seq, rsn: rsn as Rsn },
      owners: owners.map((owner) => ({
        pnn: narrow(owner[0]) as Pnn,
        incarnation: wide(owner[1]) as Incarnation,
        client: narrow(owner[2]),
        id: narrow(owner[3]),
      })),
    };
  } catch {
    return undefined;
  }
}

function wide(value: unknown): bigint {
  if (typeof value === "string" && DIGITS.test(value)) return BigInt(value);
  throw new RangeError("no u64");
}

function narrow(value: unknown): number {
  if (typeof value === "number" && value >>> 0 === value) return value;
  throw new RangeError("no u32");
}
