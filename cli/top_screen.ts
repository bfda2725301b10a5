/**
 * The screen of `top`: from a board and a size to lines. Nothing is read and nothing is written here.
 *
 *   ctdbx top   edge   leader n1   3 of 3 nodes ok                                    14:03:22
 *   Node  Pnn  Condition  Role    Lease  Msg/s  Bytes/s   Lag   CPU  Memory    Up  Heard
 *   ...
 *   14:03:20.211  n1  state  n2 is ok, was joining
 *   q quit   sort: [n]umber ...
 *
 * Does NOT promise: all nodes: what does not fit is counted in a line of its own.
 */

import { spanText } from "./answers.ts";
import type { BoardRow, BoardView } from "./board.ts";
import { bytesText, type EventWords } from "./event_text.ts";
import { oneLine } from "./output.ts";

/** What the rows can be sorted by, each with its key. */
export const SORTS = {
  n: "number",
  o: "condition",
  t: "traffic",
  l: "lag",
  c: "cpu",
  m: "memory",
} as const;
/** A key of SORTS. */
export type SortKey = keyof typeof SORTS;

/** How the screen is to be. */
export interface ScreenLook {
  /** Characters in a line. */
  readonly columns: number;
  /** Lines; Infinity: as many as there are. */
  readonly rows: number;
  readonly color: boolean;
  readonly sort: SortKey;
  readonly isReversed: boolean;
  /** The time to show, ISO 8601. */
  readonly time: string;
  /** Where the events come from. */
  readonly from: string;
  /** Keys are heard, so they are shown. */
  readonly hasKeys: boolean;
}

/** Lines that events get, when there is room. */
const EVENT_LINES = 8;

type Column = readonly [title: string, cell: (row: BoardRow) => string, isRight: boolean];

const COLUMNS: readonly Column[] = [
  ["Node", ({ name }) => name, false],
  ["Pnn", ({ pnn }) => pnn === undefined ? "-" : `${pnn}`, true],
  ["Condition", ({ condition }) => condition, false],
  ["Role", (row) => row.isLeader ? "leader" : row.serving ? "serves" : "-", false],
  ["Lease", ({ leaseMs }) => leaseMs <= 0 ? "-" : spanText(leaseMs), true],
  ["Msg/s", (row) => rate(row, ({ sentRate, receivedRate }) => sentRate + receivedRate), true],
  ["Bytes/s", (row) => traffic(row) === undefined ? "-" : bytesText(traffic(row) ?? 0), true],
  [
    "Lag",
    ({ stats }) => stats === undefined ? "-" : `${stats.process.lagMaxMs.toFixed(1)} ms`,
    true,
  ],
  ["CPU", ({ stats }) => stats === undefined ? "-" : percent(stats.process.cpu), true],
  ["Memory", ({ stats }) => stats === undefined ? "-" : bytesText(stats.process.rssBytes), true],
  ["Up", ({ heartbeat, heardMsAgo }) => spanText(heartbeat.uptimeMs + heardMsAgo), true],
  ["Heard", ({ heardMsAgo }) => spanText(heardMsAgo), true],
];

/** The lines of one frame; none is longer than the screen is wide, and there are no more than fit. */
export function screenLines(view: BoardView, look: ScreenLook): string[] {
  const { columns, rows } = look;
  const foot = look.hasKeys ? [keysLine(look)] : [];
  const room = Math.max(0, rows - 2 - foot.length);
  const sorted = sortedRows(view.rows, look);
  const eventRoom = Math.min(view.lines.length, EVENT_LINES, Math.max(0, room - sorted.length - 1));
  const nodeRoom = eventRoom === 0 ? room : room - eventRoom - 1;
  const table = tableLines(sorted, nodeRoom);
  const [head = "", ...body] = table;
  const events = eventRoom === 0 ? [] : ["", ...view.lines.slice(-eventRoom).map(eventLine)];
  const fit = (line: string): string => fitted(line, columns);
  const bold = (line: string): string => look.color ? `\x1b[1m${line}\x1b[0m` : line;
  const all = [
    bold(fit(oneLine(headLine(view, look)))),
    bold(fit(head)),
    ...body.map((line, index) => painted(fit(line), sorted[index], look.color)),
    ...events.map(fit),
  ];
  // The keys stand in the last line of the screen.
  while (foot.length > 0 && Number.isFinite(rows) && all.length < rows - 1) all.push("");
  return [...all, ...foot.map(fit)].slice(0, Math.max(1, rows));
}

function headLine({ rows, leaders, size }: BoardView, { time, columns, from }: ScreenLook): string {
  const cluster = rows[0]?.heartbeat.cluster;
  if (cluster === undefined) return `ctdbx top   no heartbeat yet from ${from}`;
  const lead = leaders.length === 0 ? "NO LEADER" : `leader ${leaders.join(" and ")}`;
  const ok = rows.filter(({ condition }) => condition === "ok").length;
  const left = `ctdbx top   ${cluster}   ${lead}   ${ok} of ${
    Math.max(size, rows.length)
  } nodes ok`;
  const clock = time.slice(11, 19);
  return `${left}${clock.padStart(Math.max(3 + clock.length, columns - left.length))}`;
}

function keysLine({ sort, isReversed }: ScreenLook): string {
  const keys = Object.entries(SORTS).map(([key, name]) => `${key} ${name}`).join("  ");
  const by = `${SORTS[sort]}${isReversed ? ", reversed" : ""}`;
  return `q quit   sort by ${by}:  ${keys}  r reverse`;
}

/** The head and the rows that fit; the last line counts the others. */
function tableLines(rows: readonly BoardRow[], room: number): string[] {
  const shown = rows.length <= room ? rows : rows.slice(0, Math.max(0, room - 1));
  const cells = [
    COLUMNS.map(([title]) => title),
    ...shown.map((row) => COLUMNS.map(([, cell]) => oneLine(cell(row)).slice(0, CELL_MAX))),
  ];
  const widths = COLUMNS.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  const lines = cells.map((line) =>
    line.map((cell, at) =>
      COLUMNS[at]?.[2] ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)
    ).join("  ").trimEnd()
  );
  if (shown.length < rows.length && room > 0) lines.push(`... ${rows.length - shown.length} more`);
  return lines;
}

/** Longest cell, characters. */
const CELL_MAX = 24;

/** The rows in the order that is wanted; numbers fall, the rest rises. */
export function sortedRows(
  rows: readonly BoardRow[],
  { sort, isReversed }: Pick<ScreenLook, "sort" | "isReversed">,
): BoardRow[] {
  const fall = (of: (row: BoardRow) => number) => (one: BoardRow, other: BoardRow): number =>
    of(other) - of(one);
  const compare: Record<SortKey, (one: BoardRow, other: BoardRow) => number> = {
    n: () => 0,
    // What is not ok comes first.
    o: (one, other) =>
      Number(one.condition === "ok") - Number(other.condition === "ok") ||
      (one.condition < other.condition ? -1 : Number(one.condition > other.condition)),
    t: fall((row) => traffic(row) ?? -1),
    l: fall(({ stats }) => stats?.process.lagMaxMs ?? -1),
    c: fall(({ stats }) => stats?.process.cpu ?? -1),
    m: fall(({ stats }) => stats?.process.rssBytes ?? -1),
  };
  // Rows come sorted by number; equal ones keep that order.
  const sorted = [...rows].sort(compare[sort]);
  return isReversed ? sorted.reverse() : sorted;
}

function eventLine({ time, who, what, text }: EventWords): string {
  // Happenings begin with their name.
  const rest = text.startsWith(what) ? text.slice(what.length).replace(/^:? /, "") : text;
  return oneLine(`${time.slice(11, 23).padEnd(12)}  ${who.padEnd(6)}  ${what.padEnd(13)}  ${rest}`);
}

function painted(line: string, row: BoardRow | undefined, color: boolean): string {
  if (!color || row === undefined) return line;
  const isBad = ["silent", "disconnected", "banned", "down"].includes(row.condition);
  if (isBad) return `\x1b[31m${line}\x1b[0m`;
  return row.condition === "ok" ? line : `\x1b[33m${line}\x1b[0m`;
}

function fitted(line: string, columns: number): string {
  const points = [...line];
  return points.length <= columns ? line : `${points.slice(0, Math.max(0, columns - 1)).join("")}…`;
}

type Messages = NonNullable<BoardRow["stats"]>["messages"];

function rate({ stats }: BoardRow, of: (messages: Messages) => number): string {
  return stats === undefined ? "-" : of(stats.messages).toFixed(0);
}

function traffic({ stats }: BoardRow): number | undefined {
  if (stats === undefined) return undefined;
  return stats.messages.sentBytesRate + stats.messages.receivedBytesRate;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}
