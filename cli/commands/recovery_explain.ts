/**
 * `ctdbx recovery explain`: why records are not open, at which nodes, what they wait for, and what to run.
 *
 *   each node: recovery status ─▶ not adopted? slots opening? records asked for? operations waiting? the thread down?
 *
 * Exit code 8 when something is not open, 9 when some nodes do not answer.
 *
 * Does NOT promise: the cause of a node that does not answer; `ctdbx cluster explain` looks for that.
 */

import type { Command } from "commander";
import { spanText, versionText } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { oneLine } from "../output.ts";
import { object, type RowOf } from "../result.ts";
import { flag, list, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { heldUpText, type StatusRow, statusRow } from "./db_fields.ts";
import type { RecoveryAnswer } from "./recovery.ts";

/** Who holds a record for so long holds up others, ms. */
const HELD_MS = 1000;

const LINE = text("Line", "a sentence, with figures where there are any");
const EXPLAINED = object({
  open: flag("Open", "every record can be used, as far as the nodes that answer know"),
  found: list("Found", "what is not open, and what it waits for", LINE),
  next: list("Next", "what happens by itself, and what to run", LINE),
});
type Explained = RowOf<typeof EXPLAINED>;

/** What a node says of its recovery. */
export interface RecoveryState {
  readonly isRunning: boolean;
  readonly generation?: string;
  readonly databases: readonly StatusRow[];
  readonly current?: RecoveryAnswer;
}

/** Adds `explain` to `ctdbx recovery`. */
export function addRecoveryExplain(recovery: Command, world: CommandWorld): void {
  declare<object, Explained>(
    recovery.command("explain")
      .description("why records are not open, what they wait for, what to run; exit code 8 then"),
    world,
    { result: EXPLAINED, asks: "node" },
    run,
  );
}

async function run({ flags, out }: Task<object, Explained>): Promise<void> {
  const asked = await Asked.of(flags);
  const answers = await asked.around<RecoveryState>("all", "recovery status");
  const explained = explainRecovery(answers);
  const silent = silence(answers);
  if (out.isTable) {
    const { open, found, next } = explained;
    const far = silent === undefined ? "" : ", as far as the nodes that answer know";
    if (open) out.say(`every record can be used${far}\n`);
    for (const line of found) out.say(`${oneLine(line)}\n`);
    for (const line of next) out.say(`  ${oneLine(line)}\n`);
  } else out.object(explained);
  if (explained.open && silent !== undefined) throw silent;
  if (explained.open) return;
  throw new Failure(
    EXIT.expectation,
    "Cannot use all records: see what was found",
    "it says what to run",
  );
}

/** The words for what the nodes say. */
export function explainRecovery(answers: readonly Relayed<RecoveryState>[]): Explained {
  const found: string[] = [];
  const next = new Set<string>();
  const newest = answers.reduce(
    (most, { ok }) => BigInt(ok?.generation ?? 0) > most ? BigInt(ok?.generation ?? 0) : most,
    0n,
  );
  let isOpen = true;
  for (const { name, ok, error } of answers) {
    if (ok === undefined) {
      found.push(`${name} does not answer: ${error ?? "no reason is known"}`);
      next.add("`ctdbx cluster explain` says why a node does not answer");
      continue;
    }
    const closed = closedAt(name, ok, newest);
    if (closed.length > 0) isOpen = false;
    found.push(...closed.map(({ text }) => text));
    for (const { hint } of closed) next.add(hint);
  }
  return { open: isOpen, found, next: [...next] };
}

/** Something that is not open, and what is to be said of how it goes on. */
interface Closed {
  readonly text: string;
  readonly hint: string;
}

function closedAt(name: string, state: RecoveryState, newest: bigint): Closed[] {
  const { generation, databases, current } = state;
  const found: Closed[] = [];
  if (BigInt(generation ?? 0) < newest) {
    const view = versionText(String(newest)) ?? "";
    found.push({
      text: `${name} has not adopted the view ${view} yet: its records wait`,
      hint:
        "it adopts the view when it hears of it; one that stays behind is cut off, see `cluster explain`",
    });
  }
  for (const db of databases) {
    const text = notOpen(name, db);
    if (text !== undefined) found.push(text);
    const held = heldUpText(statusRow(db));
    if (held !== undefined && (db.heldUp?.ageMs ?? 0) >= HELD_MS) {
      found.push({
        text: `${db.name} at ${name}: ${held}; who wants a record of its hash chain waits`,
        hint: "the lock is free again when that process goes on, or ends",
      });
    }
  }
  if (found.length > 0 && current !== undefined) {
    const cause = current.cause == null ? "" : `, for ${current.cause}`;
    found.push({
      text: `at ${name} a recovery goes on for ${spanText(current.totalMs)}${cause}`,
      hint: "`ctdbx recovery report` shows the phases when it is over",
    });
  }
  return found;
}

function notOpen(node: string, db: StatusRow): Closed | undefined {
  const { name, state, why, slotsOpening = 0, keysQueried = 0, waiting = 0 } = db;
  const wait = (waiting ?? 0) > 0 ? `; ${waiting} operations wait` : "";
  switch (state) {
    case "recovering": {
      const slots = `${slotsOpening} slots are being opened`;
      const keys = `${keysQueried} records are being asked for`;
      return {
        text: `${name} at ${node}: ${slots}, ${keys}${wait}`,
        hint: "every member must answer; a silent one is removed from the view within seconds",
      };
    }
    case "frozen":
      return {
        text: `${name} at ${node}: it may not serve just now, it has no lease${wait}`,
        hint:
          "the lease comes back with the next heartbeat of the leader; `ctdbx leader show` says who leads",
      };
    case "attaching":
      return {
        text: `${name} at ${node}: it is being attached${wait}`,
        hint: "`ctdbx db status -n all` shows how far it is",
      };
    case "down":
      return {
        text: `${name} at ${node}: ${why ?? "its thread does not run"}`,
        hint: "the thread is started again by itself; its log says why it has ended",
      };
    default:
      return undefined;
  }
}
