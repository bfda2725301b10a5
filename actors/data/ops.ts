/**
 * The operations and traverses of programs at one database, between them and the machine.
 *
 *   begin ─▶ op ─▶ ... ─▶ answer | ready | locked ─▶ unlock ─▶ answer
 *                           └ the page was not valid any more after it: held ─▶ valid again in this life: told
 *                                                                           └▶ a new life, or its deadline: unknown
 *
 * Valid again in the same life means that it was valid all the time: nobody else can have had what this node has.
 *
 * Does NOT promise: that an operation ends before its deadline; the machine sees to that.
 */
import type { Clock } from "../../transport/world.ts";
import type { Key } from "../machines/record/copy.ts";
import type {
  OpCode,
  OpOutcome,
  OpWish,
  RecordEffect,
  RecordEvent,
} from "../machines/record/events.ts";
import type { OpEnd, TraverseEvents, TraverseWish } from "./types.ts";

/** What a program wants of a record. */
export interface OpAsked {
  readonly client: number;
  readonly key: Key;
  readonly wish: OpWish;
  readonly deadlineMs: number;
  readonly onEnd: (end: OpEnd) => void;
}

interface Pending extends OpAsked {
  /** The program has it locked. */
  isLocked: boolean;
}

interface Run {
  readonly on: TraverseEvents;
  readonly deadlineMs: number;
}

/** Something that is told when it is known whether it counts. */
interface Held {
  readonly tell: () => void;
  /** It is not known: why, and for whom to repeat. */
  readonly lose: (code: OpCode, why: string) => void;
  readonly cancel: () => void;
}

type Answered = Extract<RecordEffect, { readonly kind: "answer" }>;
type Locked = Extract<RecordEffect, { readonly kind: "locked" }>;

const GONE = "the database is gone";
const NEW_LIFE = "the node began a new life before it was known whether it counts";
const LATE = "its time was over before it was known whether it counts";

/** Those of one database. */
export class Ops {
  /** Ends so far. */
  readonly counts: Record<OpOutcome | "ready", number> = { ok: 0, failed: 0, unknown: 0, ready: 0 };
  readonly #feed: (event: RecordEvent) => void;
  readonly #clock: Clock;
  readonly #ops = new Map<number, Pending>();
  readonly #runs = new Map<number, Run>();
  readonly #held = new Set<Held>();
  #nextId = 0;

  constructor(clock: Clock, feed: (event: RecordEvent) => void) {
    this.#clock = clock;
    this.#feed = feed;
  }

  /** Is anything held? */
  get isHolding(): boolean {
    return this.#held.size > 0;
  }

  /** Begins one; answers its number. */
  begin(asked: OpAsked, isOver: boolean): number {
    const id = ++this.#nextId;
    const { client, key, deadlineMs, wish, onEnd } = asked;
    if (isOver) {
      onEnd({ what: "answer", outcome: "failed", code: "state", why: GONE });
      return id;
    }
    this.#ops.set(id, { ...asked, isLocked: false });
    this.#feed({ kind: "op", op: { id, client, key, deadlineMs, wish } });
    return id;
  }

  /** The machine has answered; `isValid`: the page was valid after that. */
  answer({ id, outcome, code, why, result, at, leaseEndMs }: Answered, isValid: boolean): void {
    const op = this.#ops.get(id);
    if (op === undefined) return;
    const end: OpEnd = {
      what: "answer",
      outcome,
      ...code === undefined ? {} : { code },
      ...why === undefined ? {} : { why },
      ...result === undefined ? {} : { result },
      ...at === undefined ? {} : { at },
    };
    if (isValid || outcome !== "ok" || leaseEndMs === undefined) return this.#end(id, end);
    const unsure = op.wish.what === "read" ? "failed" : "unknown";
    this.#hold(op.deadlineMs, {
      tell: () => this.#end(id, end),
      lose: (code, why) => this.#end(id, { what: "answer", outcome: unsure, code, why }),
    });
  }

  /** It is here, for a program that maps the file. */
  ready(id: number): void {
    const op = this.#ops.get(id);
    if (op === undefined) return;
    this.#ops.delete(id);
    this.counts.ready += 1;
    op.onEnd({ what: "ready" });
  }

  /** It is locked for a program. */
  locked({ id, data, at }: Locked, isValid: boolean): void {
    const op = this.#ops.get(id);
    if (op === undefined) return;
    const tell = (): void => {
      if (this.#ops.get(id) !== op) return;
      op.isLocked = true;
      op.onEnd({ what: "locked", data, at });
    };
    if (isValid) return tell();
    this.#hold(op.deadlineMs, {
      tell,
      lose: (code, why) => {
        this.#end(id, { what: "answer", outcome: "failed", code, why });
        this.#feed({ kind: "unlock", id });
      },
    });
  }

  #end(id: number, end: Extract<OpEnd, { readonly what: "answer" }>): void {
    const op = this.#ops.get(id);
    if (op === undefined) return;
    this.#ops.delete(id);
    this.counts[end.outcome] += 1;
    op.onEnd(end);
  }

  // --- what is not known yet

  #hold(deadlineMs: number, { tell, lose }: Pick<Held, "tell" | "lose">): void {
    const leftMs = Math.max(0, deadlineMs - this.#clock.nowMs());
    const cancel = this.#clock.after(leftMs, () => {
      if (this.#held.delete(held)) lose("timeout", LATE);
    });
    const held: Held = { tell, lose, cancel };
    this.#held.add(held);
  }

  /** The page is valid again, in this life: what was done counts. */
  settle(): void {
    for (const held of [...this.#held]) {
      this.#held.delete(held);
      held.cancel();
      held.tell();
    }
  }

  /** A new life begins: what the one before did may count, or not. */
  lose(code: OpCode = "state", why: string = NEW_LIFE): void {
    for (const held of [...this.#held]) {
      this.#held.delete(held);
      held.cancel();
      held.lose(code, why);
    }
  }

  // --- traverses

  /** Begins one; answers its number. */
  traverse(client: number, wish: TraverseWish, on: TraverseEvents, isOver: boolean): number {
    const id = ++this.#nextId;
    if (isOver) {
      on.end("failed", 0, GONE);
      return id;
    }
    this.#runs.set(id, { on, deadlineMs: wish.deadlineMs });
    this.#feed({ kind: "traverse", id, client, ...wish });
    return id;
  }

  /** A record was found. */
  record(id: number, key: Key, data: Uint8Array | undefined, isLost: boolean): void {
    this.#told(id, isLost, ({ on }) => on.record(key, data));
  }

  /** A traverse has ended. */
  traversed(id: number, outcome: OpOutcome, count: number, isLost: boolean): void {
    const isGood = outcome === "ok";
    this.#told(id, isLost && isGood, ({ on }) => {
      this.#runs.delete(id);
      on.end(isGood ? "ok" : "failed", count, isGood ? undefined : "it was not done in time");
    });
  }

  #told(id: number, isHeld: boolean, tell: (run: Run) => void): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    if (!isHeld) return tell(run);
    this.#hold(run.deadlineMs, {
      tell: () => {
        if (this.#runs.get(id) === run) tell(run);
      },
      lose: (_code, why) => {
        if (this.#runs.get(id) !== run) return;
        this.#runs.delete(id);
        run.on.end("failed", 0, why);
        this.#feed({ kind: "cancel", id });
      },
    });
  }

  /** All end: what may have been done is unknown. */
  endAll(why: string): void {
    this.lose("state", why);
    for (const [id, op] of [...this.#ops]) {
      const outcome = op.wish.what === "call" || op.isLocked ? "unknown" : "failed";
      this.#end(id, { what: "answer", outcome, code: "state", why });
    }
    for (const { on } of [...this.#runs.values()]) on.end("failed", 0, why);
    this.#runs.clear();
  }
}
