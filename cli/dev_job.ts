/**
 * The main job of `ctdbx dev run`: a real database of Samba becomes a clustered one, its records move, a node is
 * killed, and each step looks whether all is as promised.
 *
 *   Samba's file ──▶ import at the first node ──▶ read back at the last ──▶ work ──▶ kill -9 ──▶ what is lost, what is
 *   not, who has its addresses ──▶ the node is back ──▶ a check fails (dev_job_addresses.ts) ──▶ transactions, and all
 *   nodes killed (dev_job_lasting.ts)
 *
 * Does NOT promise: figures to quote; three nodes share the processors of one machine here.
 */

import type { Cluster, Database } from "../actors/client/types.ts";
import { AddressWatch, type AddressWorld, checkFails } from "./dev_job_addresses.ts";
import { lasting } from "./dev_job_lasting.ts";
import { ms, wrong } from "./dev_job_words.ts";
import { countOf, Program, quantile, SHARED, type Tally } from "./dev_load.ts";
import { compare, type FileRecord, storeAll, traversed } from "./dev_records.ts";
import type { SambaFile } from "./dev_samba.ts";
import { type Toll, Victim } from "./dev_victim.ts";

/** The clustered database that Samba's records go to. */
export const REGISTRY_DB = "registry";
/** The one of the counters. */
export const COUNTERS_DB = "visits";
/** How long the programs count before something happens, and after it, ms. */
const WORK_MS = 1500;
/** Records that each node takes over while they work. */
const MOVES = 200;

/** What the job needs of the cluster that it runs on. */
export interface JobWorld extends AddressWorld {
  /** A number from 0 to below `below`. */
  dice(below: number): number;
  /** Connects a program to a node. */
  connect(index: number): Promise<Cluster>;
  /** Has Samba make its file; its records. */
  samba(): Promise<{ readonly file: SambaFile; readonly records: readonly FileRecord[] }>;
  /** Kills the daemon of a node (SIGKILL); answers its process id. */
  kill(index: number): Promise<number>;
  /** Kills all daemons at once (SIGKILL); answers their process ids. */
  killAll(): Promise<readonly number[]>;
  /** Resolves when all nodes say that all is well. Throws Failure. */
  well(): Promise<void>;
  /** What the nodes' recoveries of the last `ms` cost, a line each. */
  recoveries(ms: number): Promise<readonly string[]>;
}

/** One node as programs see it. */
interface Seat {
  readonly cluster: Cluster;
  readonly registry: Database;
  readonly counters: Database;
}

/** Does all of it, with three nodes or more; without the kill where there are fewer. Throws Failure, CtdbxError. */
export async function mainJob(world: JobWorld): Promise<void> {
  const { file, records } = await world.samba();
  showFile(world, file, records);
  const seats: Seat[] = [];
  try {
    for (const index of world.names.keys()) seats.push(await sit(world, index));
    await importAll(world, seats, records);
    await readBack(world, seats, records);
    await work(world, seats, records);
    if (world.names.length < 3) tooFew(world);
    else await loss(world, seats, records);
  } finally {
    await Promise.all(seats.map(({ cluster }) => cluster.close()));
  }
  await lasting(world, () => restore(world, records));
}

/** What is kept in memory is gone with all nodes; people shall find it again. */
async function restore(world: JobWorld, records: readonly FileRecord[]): Promise<string> {
  const { cluster, registry, counters } = await sit(world, 0);
  try {
    const { known } = await traversed(registry, records);
    await storeAll(registry, records);
    await counters.update(SHARED, (value) => String(countOf(value) + 1));
    return `"${REGISTRY_DB}" and "${COUNTERS_DB}" are volatile: ${known} of ${records.length} records of ` +
      `${REGISTRY_DB} were left; all of them are imported again`;
  } finally {
    await cluster.close();
  }
}

function tooFew(world: JobWorld): void {
  const { length } = world.names;
  world.show(
    "kill -9",
    `left out: with ${length} nodes none may be missing; three can do without one`,
  );
}

function showFile(world: JobWorld, file: SambaFile, records: readonly FileRecord[]): void {
  const how = file.restored === undefined
    ? `${file.by}: \`net registry import\` made ${file.path}`
    : `${file.path}, restored from a dump that ${file.by} made (${file.restored})`;
  const bytes = records.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  world.show("Samba's data", how, `${records.length} records, ${bytes} bytes of keys and values`);
}

async function sit(world: JobWorld, index: number): Promise<Seat> {
  const cluster = await world.connect(index);
  const [registry, counters] = await Promise.all(
    [REGISTRY_DB, COUNTERS_DB].map((name) => cluster.attach(name)),
  ) as [Database, Database];
  return { cluster, registry, counters };
}

async function importAll(
  world: JobWorld,
  seats: readonly Seat[],
  records: readonly FileRecord[],
): Promise<void> {
  const startMs = world.nowMs();
  await storeAll((seats[0] as Seat).registry, records);
  const tookMs = world.nowMs() - startMs;
  world.show(
    "import",
    `${records.length} records put into the clustered database "${REGISTRY_DB}" at ` +
      `${world.names[0]}, in ${ms(tookMs)}`,
  );
}

/** Reads all of it at the last node, record by record and in one traverse. Throws Failure. */
async function readBack(
  world: JobWorld,
  seats: readonly Seat[],
  records: readonly FileRecord[],
): Promise<void> {
  const at = seats.length - 1;
  const { registry } = seats[at] as Seat;
  const tookMs = await allSame(world, at, registry, records);
  const startMs = world.nowMs();
  const { known, others } = await traversed(registry, records);
  const traverseMs = world.nowMs() - startMs;
  if (known !== records.length) {
    throw wrong(`a traverse at ${world.names[at]} gave ${known} of ${records.length} records`);
  }
  const more = others === 0 ? "" : `, and ${others} that are not of the file`;
  world.show(
    "read back",
    `at ${world.names[at]}: ${records.length} of ${records.length} records are the same, ` +
      `byte for byte`,
    `a record ${seats.length > 1 ? "that is elsewhere" : "that is here"} comes in ` +
      `${ms(quantile(tookMs, 0.5))} (median; p99 ${ms(quantile(tookMs, 0.99))})`,
    `a traverse of the cluster: ${known} keys in ${ms(traverseMs)}${more}`,
  );
}

/** How long each read took, ms. Throws Failure when one record is not the file's. */
async function allSame(
  world: JobWorld,
  at: number,
  db: Database,
  records: readonly FileRecord[],
): Promise<readonly number[]> {
  const found = await compare(db, records, () => world.nowMs());
  if (found.wrong === undefined) return found.tookMs;
  const missing = records.length - found.same;
  throw wrong(
    `${missing} of ${records.length} records are not those of the file at ${world.names[at]}: ` +
      found.wrong,
  );
}

/** All nodes take records of the registry over, and count. */
async function work(
  world: JobWorld,
  seats: readonly Seat[],
  records: readonly FileRecord[],
): Promise<void> {
  const programs = seats.map(({ counters }, index) =>
    new Program(world.names[index] as string, counters, () => world.nowMs())
  );
  const startMs = world.nowMs();
  await Promise.all(seats.map(({ registry }) => take(world, registry, records)));
  const leftMs = WORK_MS - (world.nowMs() - startMs);
  if (leftMs > 0) await world.sleep(leftMs);
  await Promise.all(programs.map((program) => program.stop()));
  const tookMs = world.nowMs() - startMs;
  const failed = programs.flatMap(({ own, shared }) => own.why ?? shared.why ?? []);
  if (failed[0] !== undefined) throw wrong(`a count failed while nothing was wrong: ${failed[0]}`);
  const value = await (seats[0] as Seat).counters.read(SHARED);
  const shared = programs.map((program) => program.shared);
  const own = programs.map((program) => program.own);
  world.show(
    "work",
    `for ${ms(tookMs)} programs at ${world.names.join(", ")} worked, each on its own node`,
    `"${SHARED}", where all count: ${sum(shared)} counts in turn, it is ` +
      `${new TextDecoder().decode(value)}; one takes ${medians(shared)}`,
    `"own ...", where only one node counts: ${sum(own)} counts; one takes ${medians(own)}`,
    `${REGISTRY_DB}: ${seats.length * MOVES} records stored anew from all nodes, so they are ` +
      `anywhere now`,
  );
  const told = Math.max(...shared.map(({ highest }) => highest));
  if (new TextDecoder().decode(value) !== String(told)) {
    throw wrong(`"${SHARED}" was counted to ${told}, and is ${new TextDecoder().decode(value)}`);
  }
}

/** Stores records of the registry as they are, in any order: so they move to this node. */
async function take(
  world: JobWorld,
  registry: Database,
  records: readonly FileRecord[],
): Promise<void> {
  for (let count = 0; count < MOVES; count++) {
    const { key } = records[world.dice(records.length)] as FileRecord;
    await registry.update(key, (value) => value?.slice());
  }
}

/** A node is killed while the others work; what that costs; and it comes back. Throws Failure. */
async function loss(
  world: JobWorld,
  seats: readonly Seat[],
  records: readonly FileRecord[],
): Promise<void> {
  const last = seats.length - 1;
  const lost = seats[last] as Seat;
  const others = seats.slice(0, last);
  const nowMs = () => world.nowMs();
  const programs = seats.map(({ counters }, index) =>
    new Program(world.names[index] as string, counters, nowMs)
  );
  const own = programs[last] as Program;
  const survivors = programs.slice(0, last);
  const addresses = await AddressWatch.begin(world, "before");
  const victim = await Victim.watch(lost.registry, records, own);
  await world.sleep(WORK_MS / 3);
  // Somebody else looks at it once: what was seen elsewhere is not lost.
  await victim.lookFrom((others[0] as Seat).counters);
  await world.sleep(WORK_MS / 3);
  await victim.note();
  for (const { own, shared } of survivors) for (const each of [own, shared]) each.mark(nowMs());
  const killMs = nowMs();
  const stopped = own.stop();
  const pid = await world.kill(last);
  const moving = addresses.without(last, `${world.names[last]} dead`);
  moving.catch(() => {});
  const { registry, counters } = others[0] as Seat;
  const toll = await victim.toll(registry, counters, nowMs);
  await world.sleep(WORK_MS);
  judge(survivors);
  showLoss(world, pid, toll, survivors);
  const movedMs = await moving;
  await allSame(world, 0, registry, records);
  await world.well();
  const backMs = nowMs() - killMs;
  await stopped;
  await back(world, last, backMs, records, survivors.map(({ shared }) => shared.highest));
  await Promise.all(survivors.map((program) => program.stop()));
  judge(survivors);
  await addresses.shared(`${world.names[last]} back`);
  showAddresses(world, last, movedMs, addresses);
  await checkFails(world, 1);
  world.show("recovery", ...await world.recoveries(nowMs() - killMs));
}

function showLoss(
  world: JobWorld,
  pid: number,
  toll: Toll,
  survivors: readonly Program[],
): void {
  const node = world.names[world.names.length - 1];
  const { held, records, waitMs, told, seen, now } = toll;
  const back = told - now;
  const pause = (of: (program: Program) => Tally) =>
    ms(Math.max(...survivors.map((program) => of(program).pauseMs)));
  world.show(
    "kill -9",
    `of ${node}'s daemon (process ${pid}), while all of them worked`,
    `affected: what ${node} was data master of, and nothing else`,
    `  ${held} of the ${records} records of ${REGISTRY_DB}; asked for at once, all were there ` +
      `again after ${ms(waitMs)}, none lost: others had seen them`,
    `  "own ${node}": it was counted to ${told}, somebody else had seen ${seen}, and it is ${now}: ` +
      (back <= 0 ? "nothing lost" : `the last ${back} nobody else had seen, they are lost`),
    `  "${SHARED}": whether ${node} had it just then or not, no count of the others was lost; their ` +
      `longest pause: ${pause(({ shared }) => shared)}`,
    `not affected: ${records - held} records of ${REGISTRY_DB}, and what the others alone count ` +
      `in; its longest pause: ${pause(({ own }) => own)}`,
  );
}

function showAddresses(
  world: JobWorld,
  dead: number,
  movedMs: number,
  addresses: AddressWatch,
): void {
  const name = world.names[dead];
  world.show(
    "addresses",
    `those of ${name} were seen at others ${
      ms(movedMs)
    } after its death; when it was back it got ` +
      `some again; \`ctdbx ip ls\` shows them`,
    ...addresses.table(),
  );
}

/** The node is there again: it reads all of it, and counts. Throws Failure. */
async function back(
  world: JobWorld,
  index: number,
  backMs: number,
  records: readonly FileRecord[],
  told: readonly number[],
): Promise<void> {
  const seat = await sit(world, index);
  try {
    await allSame(world, index, seat.registry, records);
    const program = new Program(world.names[index] as string, seat.counters, () => world.nowMs());
    await world.sleep(WORK_MS / 3);
    await program.stop();
    judge([program]);
    const least = Math.max(...told);
    if (program.shared.highest < least) {
      throw wrong(`"${SHARED}" was counted to ${least}, and is ${program.shared.highest}`);
    }
    world.show(
      "back",
      `its supervisor has started ${world.names[index]} again: all is well after ${ms(backMs)}`,
      `it began with empty files; ${records.length} of ${records.length} records of ` +
        `${REGISTRY_DB} read there are the same, and it counts with the others again`,
    );
  } finally {
    await seat.cluster.close();
  }
}

/** Programs of nodes that live get what they ask for. Throws Failure. */
function judge(programs: readonly Program[]): void {
  for (const { name, own, shared } of programs) {
    for (const { key, undone } of [own, shared]) {
      if (undone !== undefined) {
        throw wrong(`"${key}" was undone for a program at ${name}: ${undone}`);
      }
    }
    const bad = [own, shared].find(({ failed, unknown, done }) =>
      failed + unknown > 0 || done === 0
    );
    if (bad === undefined) continue;
    throw wrong(
      `a program at ${name} counted ${bad.done} times in "${bad.key}", ${bad.failed} times in vain ` +
        `and ${bad.unknown} times without knowing: ${bad.why ?? "nobody says why"}`,
    );
  }
}

function sum(tallies: readonly { readonly done: number }[]): number {
  return tallies.reduce((all, { done }) => all + done, 0);
}

function medians(tallies: readonly { quantileMs(part: number): number }[]): string {
  const [half, most] = [0.5, 0.99].map((part) =>
    Math.max(...tallies.map((tally) => tally.quantileMs(part)))
  ) as [number, number];
  return `${ms(half)} (median; p99 ${ms(most)})`;
}
