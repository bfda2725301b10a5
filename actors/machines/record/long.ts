/**
 * Long values that are on their way are not sent again: each repetition of some MiB would only keep the first one back.
 *
 *   send ─▶ long? ─▶ the same to the same life, in this view, less than length / BYTES_PER_MS ago? ─▶ not now
 *
 * What asks for it repeats its question as ever; one that is lost is sent again when that time is over.
 *
 * Does NOT promise: to know what was lost.
 */
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import type { Life, RecordState } from "./state.ts";
import { tidText } from "./tid.ts";

/** Shorter ones are sent whenever they are asked for. */
const LONG_BYTES = 512 * 1024;
/** So many bytes are given a millisecond: a line of 100 Mbit/s. */
const BYTES_PER_MS = 8192;

/** Is this one on its way to them? If not, it is from now on. */
export function isOnItsWay(state: RecordState, to: Life, message: RecordMessage): boolean {
  const bytes = bytesOf(message);
  if (bytes < LONG_BYTES) return false;
  const { onTheirWay, nowMs, generation } = state;
  for (const [name, untilMs] of onTheirWay) if (untilMs <= nowMs) onTheirWay.delete(name);
  const name = `${to.pnn}.${to.incarnation} ${generation} ${nameOf(message)}`;
  if (onTheirWay.has(name)) return true;
  onTheirWay.set(name, nowMs + Math.floor(bytes / BYTES_PER_MS));
  return false;
}

/** What of a message may be long. */
function bytesOf(message: RecordMessage): number {
  switch (message.kind) {
    case "call":
      return message.args.length;
    case "grant":
    case "ro":
    case "call_done":
      return message.copy.data.length;
    default:
      return 0;
  }
}

/** Equal for repetitions only. */
function nameOf(message: RecordMessage): string {
  switch (message.kind) {
    case "call": {
      const { key, seq, origin, birth, path } = message;
      return `call ${origin.pnn}.${origin.incarnation} ${seq} ${path} ${tidText(birth)} ${key}`;
    }
    case "grant":
      return `grant ${message.rid} ${tidText(message.tid)} ${message.key}`;
    case "ro":
      return `ro ${message.rid} ${message.copy.rsn} ${message.key}`;
    case "call_done":
      return `call_done ${message.seq} ${message.key}`;
    default:
      return message.kind;
  }
}
