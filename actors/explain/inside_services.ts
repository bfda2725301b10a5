/**
 * What a node says of its checks for explain.ts: those that are not well, the worst first, each with its last output.
 *
 * Does NOT promise: all of them; the first SERVICES_TOLD.
 */
import { TAIL_MAX } from "../../transport/probe.ts";
import { FAULT_TEXT_MAX, fitText } from "../../transport/wire/limits.ts";
import { type ServiceRow, worstFirst } from "../services/rows.ts";
import { CHECK_SOURCE, type HealthSource, plainTail } from "../services/health.ts";
import type { ServiceFact, UnwellFact } from "./facts.ts";

/** Checks that are told. */
const SERVICES_TOLD = 16;
/** Lines of a check's output that are told. */
const LINES_TOLD = 3;

/** The facts; undefined: all are well. */
export function serviceFacts(rows: readonly ServiceRow[]): readonly ServiceFact[] | undefined {
  const told = rows.filter(({ status }) => status !== "ok" && status !== "disabled");
  if (told.length === 0) return undefined;
  return worstFirst(told).slice(0, SERVICES_TOLD).map((row): ServiceFact => {
    const { why, restart, restartWhy, lastMsAgo, nextMs } = row;
    const tail = linesOf(row.tail);
    return {
      name: row.name,
      kind: row.kind,
      target: fitText(row.target, FAULT_TEXT_MAX),
      status: row.status,
      isCritical: row.isCritical,
      phase: row.phase,
      failures: row.failures,
      sinceMs: row.sinceMs,
      ...why === undefined ? {} : { why: fitText(why, FAULT_TEXT_MAX) },
      ...tail.length === 0 ? {} : { tail },
      ...lastMsAgo === undefined ? {} : { lastMsAgo },
      ...nextMs === undefined ? {} : { nextMs },
      restarts: row.restarts,
      ...restart === undefined ? {} : { restart: fitText(restart, FAULT_TEXT_MAX) },
      ...restartWhy === undefined ? {} : { restartWhy: fitText(restartWhy, FAULT_TEXT_MAX) },
      gaveUp: row.gaveUp,
    };
  });
}

/** Parts of the node that are not well, checks apart; undefined: all are. */
export function unwellFacts(sources: readonly HealthSource[]): readonly UnwellFact[] | undefined {
  const told = sources.filter(({ ok, source }) => !ok && !source.startsWith(CHECK_SOURCE));
  if (told.length === 0) return undefined;
  return told.slice(0, SERVICES_TOLD).map(({ source, why, tail }): UnwellFact => {
    const lines = linesOf(tail);
    return {
      source,
      ...why === undefined ? {} : { why: fitText(why, FAULT_TEXT_MAX) },
      ...lines.length === 0 ? {} : { tail: lines },
    };
  });
}

/** The last lines of a text that say anything. */
function linesOf(text: string | undefined): string[] {
  const plain = plainTail(text ?? "", TAIL_MAX);
  const lines = plain.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.slice(-LINES_TOLD).map((line) => fitText(line, FAULT_TEXT_MAX));
}
