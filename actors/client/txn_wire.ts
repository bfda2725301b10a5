/**
 * Transactions and reads of one state, as they are asked of the node's daemon.
 *
 *   submit ─▶ named ─▶ txn        cut off: the same again, under its name, over the next connection
 *   look   ─▶ values              cut off: again
 *
 * Does NOT promise: an outcome. Who was cut off before the name came, or hears nothing until the deadline, knows none.
 */
import {
  type LookHow,
  type NameBody,
  readNamed,
  readTxn,
  readValues,
  type TransactBody,
  type TxnBody,
  type ValuesBody,
  writeLook,
  writeTransact,
} from "../../transport/wire/client/txn_bodies.ts";
import { FRAME } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { errorOf } from "./connection.ts";
import type { ClientCore } from "./core.ts";

/** Keys of one read. */
const LOOK_KEYS_MAX = 65_536;
/** A node that cannot say anything about a transaction just now is asked again after so long, ms. */
const ASK_MS = 50;

/** Where a database is: its number at the node; 0: it was detached. */
export interface Place {
  readonly ref: number;
}

/** What a transaction is made of. */
export type TxnWish = Pick<TransactBody<Uint8Array>, "reads" | "writes" | "lineage">;

/** How a transaction ended, or that nobody knows; `refused`: the node did not begin it. */
export type TxnReply =
  | { readonly what: "txn"; readonly txn: TxnBody }
  | { readonly what: "refused"; readonly error: CtdbxError }
  | { readonly what: "unknown"; readonly name: NameBody | undefined; readonly why: string };

type Once =
  | Exclude<TxnReply, { readonly what: "unknown" }>
  | { readonly what: "over"; readonly why: "lost" | "late" | "closed" };

/** A name as programs have it. */
export function txidOf({ sid, n }: NameBody): string {
  return `${sid}.${n}`;
}

/** The name of a txid. Throws SyntaxError. */
export function nameOf(txid: string): NameBody {
  const [, sid = "", n = ""] = /^([0-9]{1,20})\.([0-9]{1,10})$/.exec(txid) ?? [];
  const name = { sid: sid === "" ? 0n : BigInt(sid), n: Number(n) };
  if (n !== "" && name.sid < 2n ** 64n && name.n >= 1 && name.n < 2 ** 32) return name;
  throw new SyntaxError(`Cannot ask about ${JSON.stringify(txid)}: it is no name of a transaction`);
}

/** Has a transaction executed, once, whatever becomes of connections meanwhile. Never rejects. */
export async function submit(
  core: ClientCore,
  at: Place,
  wish: TxnWish,
  untilMs: number,
): Promise<TxnReply> {
  let name: NameBody | undefined;
  const onName = (told: NameBody): void => {
    name ??= told;
  };
  for (;;) {
    const reply = await once(core, { ref: at.ref, again: name, ...wish }, untilMs, onName);
    if (reply.what === "txn") return reply;
    const isLost = reply.what === "over" && reply.why === "lost";
    if (name === undefined) {
      if (reply.what === "refused") return reply;
      return { what: "unknown", name, why: overText(reply.why) };
    }
    // Under its name it is executed once at most: asking again does no harm.
    const isMoment = isLost || (reply.what === "refused" && reply.error.code === "busy");
    if (!isMoment || core.clock.nowMs() >= untilMs) {
      const why = reply.what === "refused" ? reply.error.message : overText(reply.why);
      return { what: "unknown", name, why };
    }
    if (!isLost) await pause(core, Math.min(ASK_MS, untilMs - core.clock.nowMs()));
  }
}

/** One way there and back. */
async function once(
  core: ClientCore,
  body: Omit<TransactBody<Uint8Array>, "timeoutMs">,
  untilMs: number,
  onName: (name: NameBody) => void,
): Promise<Once> {
  const { line, clock } = core;
  try {
    if (!line.isUp) await line.up(untilMs);
  } catch (error) {
    return { what: "refused", error: error as CtdbxError };
  }
  const timeoutMs = Math.max(1, Math.ceil(untilMs - clock.nowMs()));
  return await new Promise((resolve) => {
    const pending = {
      untilMs,
      frame: (kind: number, frame: Parameters<typeof readTxn>[0]): boolean => {
        if (kind === FRAME.named) {
          onName(readNamed(frame));
          return true;
        }
        if (kind === FRAME.txn) resolve({ what: "txn", txn: readTxn(frame) });
        else resolve({ what: "refused", error: errorOf(frame) });
        return false;
      },
      over: (why: "lost" | "late" | "closed") => resolve({ what: "over", why }),
    };
    try {
      line.begin(pending, (writer, id) => writeTransact(writer, id, { ...body, timeoutMs }));
    } catch (error) {
      const known = error instanceof CtdbxError
        ? error
        : new CtdbxError("limit", `Cannot send a transaction: ${(error as Error).message}`);
      resolve({ what: "refused", error: known });
    }
  });
}

function overText(why: "lost" | "late" | "closed"): string {
  if (why === "late") return "the node did not answer in time";
  return why === "lost" ? "the connection was cut" : "the connection was closed";
}

/** Lets some time pass. */
export function pause({ clock }: ClientCore, forMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(Math.max(0, forMs), resolve));
}

/** What is to be read. */
export interface LookWish {
  readonly ref: number;
  readonly how: LookHow;
  /** 0: of none. */
  readonly snapshot: number;
  readonly keys: readonly Uint8Array[];
}

/**
 * Values of one state. Keys that are too many, or whose values are too long, are read in parts, each of its state, but
 * of one history; the state of the first is told. `isOver`: why another connection cannot answer. Throws "timeout", and
 * the node's refusal.
 */
export async function look(
  core: ClientCore,
  wish: () => LookWish,
  untilMs: number,
  isRepeatable: boolean,
): Promise<ValuesBody> {
  const { keys } = wish();
  if (keys.length <= LOOK_KEYS_MAX) {
    try {
      return await lookOnce(core, wish, untilMs, isRepeatable);
    } catch (error) {
      const isTooMuch = error instanceof CtdbxError && error.code === "limit" && keys.length > 1;
      if (!isTooMuch) throw error;
    }
  }
  const half = keys.length >>> 1;
  const part = (some: readonly Uint8Array[]) =>
    look(core, () => ({ ...wish(), keys: some }), untilMs, isRepeatable);
  for (;;) {
    const first = await part(keys.slice(0, half));
    const second = await part(keys.slice(half));
    const { dbseq, lineage = second.lineage } = first;
    // The database went on from an older state in between. When no time is left a part throws.
    if ((second.lineage ?? lineage) !== lineage) continue;
    return { dbseq, lineage, values: [...first.values, ...second.values] };
  }
}

async function lookOnce(
  core: ClientCore,
  wish: () => LookWish,
  untilMs: number,
  isRepeatable: boolean,
): Promise<ValuesBody> {
  const { line, clock } = core;
  for (;;) {
    if (!line.isUp) await line.up(untilMs);
    const timeoutMs = Math.ceil(untilMs - clock.nowMs());
    if (timeoutMs <= 0) throw new CtdbxError("timeout", "Cannot read: no time is left");
    const values = await new Promise<ValuesBody | "lost">((resolve, reject) => {
      line.begin({
        untilMs,
        frame: (kind, body) => {
          if (kind === FRAME.values) resolve(readValues(body));
          else reject(errorOf(body));
          return false;
        },
        over: (why) => {
          if (why === "lost" && isRepeatable) return resolve("lost");
          const code = why === "late" ? "timeout" : "state";
          reject(new CtdbxError(code, `Cannot read: ${overText(why)}`));
        },
      }, (writer, id) => writeLook(writer, id, { ...wish(), timeoutMs }));
    });
    if (values !== "lost") return values;
  }
}
