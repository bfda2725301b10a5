/**
 * Which part takes which message, and rule A2: what is about a slot's table is for one slotGen.
 *
 * Does NOT promise: an order; each message is judged by itself.
 */
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import type { Generation } from "../../../transport/wire/terms.ts";
import { onNoTable, onReport, onTable } from "./opening.ts";
import { onReportAsk, onTableAsk, onTableDone, onTableKept } from "./answering.ts";
import { onCallDone, onCallNo } from "./calls.ts";
import { onRevoke, onRevoked, onRo, onRoAsk, onRoNo } from "./delegate.ts";
import { exchangeViews } from "./exchange.ts";
import { onPurge, onQuery, onRecall } from "./holder.ts";
import { onAck, onNack, onNoCopy, onReq } from "./home.ts";
import { slotOfKey } from "./keys.ts";
import { onListAsk, onReadAsk } from "./list.ts";
import { onPurged, onQueryAnswer, onRelease } from "./query.ts";
import { onGrant } from "./requester.ts";
import type { Life, RecordState } from "./state.ts";
import { onList, onRead } from "./traverse.ts";
import { onCall } from "./visitors.ts";

/** Takes a message of a member. `generation`: the view that it was sent by. */
export function onRecordMessage(
  state: RecordState,
  from: Life,
  generation: Generation,
  message: RecordMessage,
): void {
  if (!isForThisTable(state, message)) return exchangeViews(state, from, generation);
  switch (message.kind) {
    case "req":
      return onReq(state, from, message);
    case "recall":
      return onRecall(state, from, message);
    case "grant":
      return onGrant(state, from, message);
    case "ack":
      return onAck(state, from, message);
    case "nack":
      return onNack(state, from, message);
    case "nocopy":
      return onNoCopy(state, from, message);
    case "release":
      return onRelease(state, from, message);
    case "purge1":
    case "purge2":
      return onPurge(state, from, message);
    case "purge1_done":
    case "purge2_done":
      return onPurged(state, from, message);
    case "query_answer":
      return onQueryAnswer(state, from, message);
    case "query":
    case "report_ask":
      // Rule A3: by a view before the one that asks, what is said could change.
      if (!state.rules.mayAnswer(state.generation, message.generation)) {
        return exchangeViews(state, from, message.generation);
      }
      if (message.kind === "query") return onQuery(state, from, message);
      return onReportAsk(state, from, message);
    default:
      return onOther(state, from, message);
  }
}

function onOther(state: RecordState, from: Life, message: RecordMessage): void {
  switch (message.kind) {
    case "table_ask":
      return onTableAsk(state, from, message);
    case "table":
      return onTable(state, from, message);
    case "no_table":
      return onNoTable(state, from, message);
    case "table_done":
      return onTableDone(state, message);
    case "table_kept":
      return onTableKept(state, from, message);
    case "report":
      return onReport(state, from, message);
    case "ro_ask":
      return onRoAsk(state, from, message);
    case "ro":
      return onRo(state, from, message);
    case "ro_no":
      return onRoNo(state, message);
    case "revoke":
      return onRevoke(state, from, message);
    case "revoked":
      return onRevoked(state, from, message);
    case "call":
      return onCall(state, message);
    case "call_done":
      return onCallDone(state, from, message);
    case "call_no":
      return onCallNo(state, message);
    case "list_ask":
      return onListAsk(state, from, message);
    case "list":
      return onList(state, message);
    case "read_ask":
      return onReadAsk(state, from, message);
    case "read":
      return onRead(state, message);
  }
}

/** Rule A2, for messages about the table of a slot. */
function isForThisTable(state: RecordState, message: RecordMessage): boolean {
  switch (message.kind) {
    case "ro_ask":
    case "call":
      // By a hint, or passed on: the owner knows what it owns.
      if (message.path !== "home") return true;
      break;
    case "ro":
    case "ro_no":
    case "revoke":
    case "revoked":
    case "call_done":
    case "call_no":
    case "table_ask":
    case "table":
    case "no_table":
    case "table_done":
    case "table_kept":
    case "report_ask":
    case "report":
    case "list_ask":
    case "list":
    case "read_ask":
    case "read":
      return true;
  }
  const own = state.slots[slotOfKey(state, message.key)]?.slotGen;
  return own !== undefined && state.rules.isSameSlotGen(own, message.slotGen);
}
