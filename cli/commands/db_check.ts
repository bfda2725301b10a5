/**
 * `ctdbx db check | scrub DATABASE`: are the copies of a persistent or replicated database, at all nodes, what they
 * must be?
 *
 *   check   every page, every entry of the log, every record; then: do copies of one state have the same records?
 *   scrub   every page, at a rate; those that are bad are mended from other nodes by the daemons
 *
 * Exit codes: 0 all is well, or was mended; 12 something is not; 9 some nodes did not answer.
 *
 * Does NOT promise: one moment for all nodes: copies of different states are not compared.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { CheckLook, SliceLook } from "../../actors/data/commit_checks.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { HomeFlags } from "../home_option.ts";
import { progress } from "../progress.ts";
import { type RowOf, rows } from "../result.ts";
import { int, list, maybe, ms, text, u64, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { WHOLE_WAIT } from "./db_records.ts";

interface ScrubFlags extends HomeFlags {
  readonly rate?: number;
  readonly repair?: boolean;
}

/** Between two looks at a check that is under way, ms. */
const LOOK_MS = 100;
/** Pages of one question: 1 MiB. */
const SLICE = 256;
const PAGE_BYTES = 4096;
const MIB = 1024 * 1024;
/** What was found bad may take so long to be mended, ms. */
const MENDED_MS = 60_000;

const NODE = {
  node: text("Node", "its name"),
  pnn: int("Pnn", "its number"),
  error: maybe(text("Error", "why it did not answer")),
};
const CHECKED = rows({
  ...NODE,
  verdict: word("Verdict", "ok; mended: pages were bad; damaged; differs: from another copy", [
    "ok",
    "mended",
    "damaged",
    "differs",
    "unknown",
  ]),
  seqnum: maybe(u64("Sequence number", "of the state that its records were compared in")),
  records: maybe(int("Records", "how many it has")),
  content: maybe(text("Content", "a sum over all records")),
  versions: maybe(text("Versions", "a sum over all records with their versions")),
  pages: maybe(int("Pages", "of the file")),
  bad: maybe(int("Bad", "pages that were not what they must be")),
  logFirst: maybe(u64("Log from", "its first entry")),
  logLast: maybe(u64("Log to", "its last entry")),
  problems: list("Problems", "what is wrong, in words", text("Problem", "one")),
}, {
  table: [
    "node",
    "verdict",
    "seqnum",
    "records",
    "content",
    "pages",
    { name: "bad", whenSet: true, text: ({ bad }) => bad || undefined },
    { name: "problems", whenSet: true, text: ({ problems }) => problems.join("; ") || undefined },
    { name: "error", whenSet: true },
  ],
});
/** One copy, as `db check` shows it. */
export type Checked = RowOf<typeof CHECKED>;

const SCRUBBED = rows({
  ...NODE,
  verdict: word("Verdict", "ok; mended: pages were bad; mending; damaged: no other node has them", [
    "ok",
    "mended",
    "mending",
    "damaged",
    "unknown",
  ]),
  pages: int("Pages", "that were looked at"),
  bad: list("Bad", "pages that were not what they must be", int("Page", "its number")),
  tookMs: ms("Took, ms", "all of it"),
  rate: int("Bytes a second", "on average", "bytes"),
  trouble: maybe(text("Trouble", "what is wrong with the copy")),
}, {
  table: [
    "node",
    "verdict",
    "pages",
    { name: "bad", whenSet: true, text: ({ bad }) => bad.join(" ") || undefined },
    { name: "tookMs", text: ({ tookMs }) => Math.round(tookMs) },
    { name: "trouble", whenSet: true },
    { name: "error", whenSet: true },
  ],
});
type Scrubbed = RowOf<typeof SCRUBBED>;

/** Adds them to `ctdbx db`. */
export function addDbCheckCommands(db: Command, world: CommandWorld): void {
  declare<HomeFlags, Checked>(
    db.command("check <database>")
      .description(
        "look through all copies of a persistent or replicated database, and compare them",
      ),
    world,
    { result: CHECKED, asks: "node", timeout: WHOLE_WAIT },
    runCheck,
  );
  declare<ScrubFlags, Scrubbed>(
    db.command("scrub <database>")
      .description("look at every page of all copies; bad ones are mended from other nodes")
      .option(
        "--rate <MiB>",
        "MiB a second at each node, 0: as fast as it goes",
        whole(0, 65536),
        16,
      )
      .option("--repair", "wait until what is bad has been mended"),
    world,
    { result: SCRUBBED, asks: "node", timeout: WHOLE_WAIT },
    runScrub,
  );
}

/** The nodes of the cluster, as they answer to a first question. */
async function around<T>(
  asked: Asked,
  verb: string,
  args: object,
  nodes = "all",
): Promise<Relayed<T>[]> {
  return await asked.look("relay", { verb, nodes, args }) as Relayed<T>[];
}

// --- check

async function runCheck(task: Task<HomeFlags, Checked>, database = ""): Promise<void> {
  const { flags, out, world, signal } = task;
  const asked = await Asked.of(flags);
  const bar = progress(world.terminal, "checking");
  let nodes: Relayed<CheckLook>[];
  try {
    nodes = await around<CheckLook>(asked, "db check", { name: database });
    requireSome(nodes);
    while (nodes.some(({ ok }) => ok !== undefined && ok.phase !== "done") && !signal.aborted) {
      bar.at(...farOf(nodes));
      await sleep(LOOK_MS);
      nodes = await Promise.all(nodes.map((node) => lookOn(asked, database, node)));
    }
  } finally {
    bar.end();
  }
  const found = nodes.map(checkedOf);
  for (const row of compared(found)) out.row(row);
  const silent = silence(nodes);
  const bad = compared(found).filter(({ verdict }) =>
    verdict === "damaged" || verdict === "differs"
  );
  if (bad.length > 0) {
    throw new Failure(
      EXIT.corrupt,
      `Cannot call ${database} well: ${
        bad.map(({ node, verdict }) => `${node} is ${verdict}`).join(", ")
      }`,
      "`ctdbx db scrub --repair` mends pages that another node has; `ctdbx cluster explain` says more",
    );
  }
  if (silent !== undefined) throw silent;
}

/** When not one node can do it, its reason is that of the whole. */
function requireSome(nodes: readonly Relayed<unknown>[]): void {
  const [first] = nodes;
  if (first === undefined || nodes.some(({ ok }) => ok !== undefined)) return;
  const { error = "no node answers" } = first;
  const exit = error.startsWith("Cannot find database") ? EXIT.notFound : EXIT.other;
  throw new Failure(exit, error);
}

async function lookOn(
  asked: Asked,
  name: string,
  node: Relayed<CheckLook>,
): Promise<Relayed<CheckLook>> {
  const { ok } = node;
  if (ok === undefined || ok.phase === "done") return node;
  const [now] = await around<CheckLook>(asked, "db check look", { name, job: ok.job }, node.name);
  return now ?? node;
}

/** Of the node that is least far. */
function farOf(nodes: readonly Relayed<CheckLook>[]): [number, number] {
  const open = nodes.flatMap(({ ok }) => ok === undefined || ok.phase === "done" ? [] : [ok]);
  const [slowest] = open.sort((one, other) => one.done - other.done);
  return [slowest?.done ?? 0, slowest?.total ?? 0];
}

function checkedOf({ name: node, pnn, ok, error }: Relayed<CheckLook>): Checked {
  const found = ok?.found;
  if (found === undefined) {
    return {
      node,
      pnn,
      error: error ?? "it was not done in time",
      verdict: "unknown",
      problems: [],
    };
  }
  const { problems, bad, seqnum, logFirst, logLast, records, content, versions, pages } = found;
  return {
    ...{ node, pnn, error: undefined, problems: [...problems], bad },
    ...{ records, content, versions, pages },
    verdict: problems.length > 0 ? "damaged" : bad > 0 ? "mended" : "ok",
    seqnum: `${seqnum}`,
    logFirst: `${logFirst}`,
    logLast: `${logLast}`,
  };
}

/** Copies of one state that are not the same: the fewer differ. */
export function compared(found: readonly Checked[]): Checked[] {
  return found.map((row) => {
    if (row.versions === undefined || row.verdict === "damaged") return row;
    const same = found.filter(({ seqnum, verdict }) =>
      seqnum === row.seqnum && verdict !== "damaged"
    );
    const votes = same.filter(({ versions }) => versions === row.versions).length;
    if (2 * votes > same.length || votes === same.length) return row;
    const others = same.filter(({ versions }) => versions !== row.versions);
    const text = `its records after transaction ${row.seqnum} are not those of ` +
      others.map(({ node }) => node).join(", ");
    return { ...row, verdict: "differs" as const, problems: [...row.problems, text] };
  });
}

// --- scrub

async function runScrub(task: Task<ScrubFlags, Scrubbed>, database = ""): Promise<void> {
  const { flags, out, world } = task;
  const asked = await Asked.of(flags);
  const nodes = await around<SliceLook>(asked, "db slice", { name: database, from: 0, count: 1 });
  requireSome(nodes);
  const bar = progress(world.terminal, "scrubbing");
  const done = new Map<number, number>();
  const total = nodes.reduce((sum, { ok }) => sum + (ok?.pages ?? 0), 0);
  let found: Scrubbed[];
  try {
    found = await Promise.all(
      nodes.map((node) =>
        scrubNode(task, asked, database, node, (pages) => {
          done.set(node.pnn, pages);
          bar.at([...done.values()].reduce((sum, one) => sum + one, 0), total);
        })
      ),
    );
  } finally {
    bar.end();
  }
  for (const row of found) out.row(row);
  const bad = found.filter(({ verdict }) => verdict === "damaged" || verdict === "mending");
  if (bad.length > 0) {
    throw new Failure(
      EXIT.corrupt,
      `Cannot call ${database} well: ${
        bad.map(({ node, trouble }) => `${node}: ${trouble}`).join("; ")
      }`,
      flags.repair ? undefined : "--repair waits until it is mended",
    );
  }
  const silent = silence(found.map(({ node: name, pnn, error, verdict }) => ({
    ...{ name, pnn },
    ...verdict === "unknown" ? { error: error ?? "no answer" } : { ok: true },
  })));
  if (silent !== undefined) throw silent;
}

async function scrubNode(
  { flags, signal }: Task<ScrubFlags, Scrubbed>,
  asked: Asked,
  name: string,
  { name: node, pnn, error }: Relayed<SliceLook>,
  onDone: (pages: number) => void,
): Promise<Scrubbed> {
  const { rate = 16, repair = false } = flags;
  const startMs = performance.now();
  const bad: number[] = [];
  let last: SliceLook | undefined;
  let why = error;
  const ask = async (from: number): Promise<SliceLook | undefined> => {
    const args = { name, from, count: SLICE };
    const [answer] = await around<SliceLook>(asked, "db slice", args, node);
    why = answer?.error;
    return answer?.ok;
  };
  let untilMs = Infinity;
  for (let at = 0; why === undefined && !signal.aborted;) {
    last = await ask(at) ?? last;
    bad.push(...last?.bad ?? []);
    if (last === undefined || last.next === undefined) break;
    if (last.next === at) {
      // It is being changed, or mended.
      if (bad.length > 0 && untilMs === Infinity) untilMs = performance.now() + MENDED_MS;
      if (last.state === "lost" || (bad.length > 0 && !repair) || performance.now() > untilMs) {
        break;
      }
      await sleep(LOOK_MS);
    }
    at = last.next;
    onDone(at);
    const dueMs = rate === 0 ? 0 : at * PAGE_BYTES * 1000 / (rate * MIB);
    await sleep(Math.max(0, startMs + dueMs - performance.now()));
  }
  const tookMs = performance.now() - startMs;
  const pages = last?.next ?? last?.pages ?? 0;
  return {
    ...{ node, pnn, error: why, pages, bad, tookMs },
    rate: Math.round(pages * PAGE_BYTES * 1000 / Math.max(1, tookMs)),
    verdict: why !== undefined ? "unknown" : verdictOf(last, bad.length),
    trouble: last?.trouble,
  };
}

function verdictOf(last: SliceLook | undefined, bad: number): Scrubbed["verdict"] {
  if (last === undefined) return "unknown";
  if (last.state === "lost") return "damaged";
  if (last.state !== "well") return "mending";
  return bad > 0 ? "mended" : "ok";
}
