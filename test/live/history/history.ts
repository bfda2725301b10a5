/**
 * What programs did to records, as they saw it themselves: one line where an operation begins, one for each value that
 * it made, one where it ended.
 *
 *   {"b":[id,"key","update",node,startMs]}   {"t":[id,token,[tokens before]]}   {"e":[id,endMs,"ok",[tokens seen]]}
 *
 * A record's value is the list of the tokens of all that made it what it is, oldest first, 4 bytes each; so each value
 * tells from which one it was made. A deleted record is the empty list. Times are those of the clock that all processes
 * of a machine share, ms.
 *
 * Does NOT promise: that an operation has an end; of a killed program's last one nobody knows.
 */

/** Names one value that an operation wanted to leave; u32, never used twice. */
export type Token = number;

/** What an operation does. `append` is executed where the record is; all others by the program itself. */
export type OpKind = "read" | "update" | "delete" | "append";

/** How it ended. "open": the program did not live to hear. */
export type OpOutcome = "ok" | "failed" | "unknown" | "open";

/** A value that an operation made, or tried to make. */
export interface Try {
  readonly token: Token;
  /** The value that it was made from. */
  readonly from: readonly Token[];
}

/** An operation. */
export interface Op {
  readonly id: number;
  readonly key: string;
  readonly kind: OpKind;
  /** The node that the program belongs to. */
  readonly node: number;
  readonly startMs: number;
  /** Infinity: open. */
  endMs: number;
  outcome: OpOutcome;
  /** In order; of several the last is the one that was acknowledged. */
  readonly tries: Try[];
  /** What `append` leaves. */
  token: Token | undefined;
  /** Of a read. */
  seen: readonly Token[] | undefined;
  /** Why it is not ok. */
  why: string;
}

/** A node's life ended at some moment of a time: it was killed, or found that it had been expelled. */
export interface LifeEnd {
  readonly node: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** All that is known of a run. */
export interface History {
  readonly ops: readonly Op[];
  readonly ends: readonly LifeEnd[];
  /** The values at the end, when all is quiet; a key without one was not looked at. */
  readonly finals: ReadonlyMap<string, readonly Token[]>;
}

const TOKEN_BYTES = 4;

/** The tokens of a value. Throws a RangeError when it is not one of ours. */
export function tokensOf(value: Uint8Array | undefined): Token[] {
  if (value === undefined) return [];
  if (value.length % TOKEN_BYTES !== 0) {
    throw new RangeError(`Cannot read a value: ${value.length} bytes are no list of tokens`);
  }
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return Array.from(
    { length: value.length / TOKEN_BYTES },
    (_, at) => view.getUint32(TOKEN_BYTES * at, true),
  );
}

/** The value of a list of tokens. */
export function valueOf(tokens: readonly Token[]): Uint8Array {
  const value = new Uint8Array(TOKEN_BYTES * tokens.length);
  const view = new DataView(value.buffer);
  for (const [at, token] of tokens.entries()) view.setUint32(TOKEN_BYTES * at, token, true);
  return value;
}

/** One line of a program's log. */
export type Line =
  | { readonly b: readonly [id: number, key: string, kind: OpKind, node: number, startMs: number] }
  | { readonly t: readonly [id: number, token: Token, from: readonly Token[] | null] }
  | {
    readonly e: readonly [
      id: number,
      endMs: number,
      outcome: OpOutcome,
      seen: readonly Token[] | null,
      why: string,
    ];
  };

/** The operations of the logs of all programs. A line that was cut off by a kill is left out. */
export function readLogs(logs: readonly string[]): Op[] {
  const byId = new Map<number, Op>();
  for (const log of logs) {
    const lines = log.split("\n");
    // What follows the last line feed is no line.
    for (const text of lines.slice(0, -1)) take(byId, JSON.parse(text) as Line);
  }
  return [...byId.values()];
}

function take(byId: Map<number, Op>, line: Line): void {
  if ("b" in line) {
    const [id, key, kind, node, startMs] = line.b;
    if (byId.has(id)) throw new RangeError(`Cannot read a log: operation ${id} begins twice`);
    byId.set(id, {
      ...{ id, key, kind, node, startMs, endMs: Infinity, outcome: "open" },
      ...{ tries: [], token: undefined, seen: undefined, why: "" },
    });
    return;
  }
  const [id] = "t" in line ? line.t : line.e;
  const op = byId.get(id);
  if (op === undefined) throw new RangeError(`Cannot read a log: operation ${id} never began`);
  if ("t" in line) {
    const [, token, from] = line.t;
    if (from === null) op.token = token;
    else op.tries.push({ token, from });
    return;
  }
  const [, endMs, outcome, seen, why] = line.e;
  op.endMs = endMs;
  op.outcome = outcome;
  op.seen = seen ?? undefined;
  op.why = why;
}
