/**
 * The record of the leader lock as bytes: one line of JSON, so that a person can read it with any tool.
 *
 *   {"v":1,"holder":"<32 hex>"|null,"incarnation":"<u64>","token":"<u64>","nonce":<u32>}
 *
 * Does NOT promise: that the holder lives, or that the token is still worth anything.
 */
import { CtdbxError } from "./wire/errors.ts";
import type { Incarnation, NodeId, Token } from "./wire/terms.ts";
import type { LockRecord } from "./leader_lock.ts";

/** Longest record, bytes; a longer one is none of ours. */
export const LOCK_RECORD_MAX = 512;
const FORMAT = 1;
const U32 = 0xffffffff;
const U64 = (1n << 64n) - 1n;

/** As bytes. */
export function encodeLockRecord(record: LockRecord): Uint8Array {
  const { holder, incarnation, token, nonce } = record;
  return new TextEncoder().encode(JSON.stringify({
    v: FORMAT,
    holder: holder ?? null,
    incarnation: incarnation.toString(),
    token: token.toString(),
    nonce,
  }));
}

/** From bytes. Throws "corrupt" on what is none, "version" on one of a later ctdbx. */
export function decodeLockRecord(bytes: Uint8Array): LockRecord {
  let thing: unknown;
  try {
    if (bytes.length <= LOCK_RECORD_MAX) thing = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // said below
  }
  if (typeof thing !== "object" || thing === null) throw none("it is no JSON object");
  const { v, holder, incarnation, token, nonce } = thing as Record<string, unknown>;
  if (typeof v === "number" && v > FORMAT) {
    throw new CtdbxError("version", `Cannot read the lock's record: its format is ${v}, not 1`);
  }
  if (v !== FORMAT) throw none("it has no format number");
  if (holder !== null && !(typeof holder === "string" && /^[0-9a-f]{32}$/.test(holder))) {
    throw none("holder is no node id");
  }
  if (!(Number.isInteger(nonce) && (nonce as number) >= 0 && (nonce as number) <= U32)) {
    throw none("nonce is no u32");
  }
  return {
    holder: holder === null ? undefined : holder as NodeId,
    incarnation: wide("incarnation", incarnation) as Incarnation,
    token: wide("token", token) as Token,
    nonce: nonce as number,
  };
}

function wide(name: string, text: unknown): bigint {
  const value = typeof text === "string" && /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value <= U64) return value;
  throw none(`${name} is no u64`);
}

function none(why: string): CtdbxError {
  return new CtdbxError("corrupt", `Cannot read the lock's record: ${why}`);
}
