/**
 * The random scenarios of tdb_random.test.ts and test/long/interop.ts.
 *
 * Does NOT promise: anything about time; the caller says how many operations.
 */

import { join } from "node:path";
import type { ImageStore } from "../../transport/image.ts";
import { Dice } from "./dice.ts";
import { dumpBlocks, tdbdumpBlocks, tdbtoolCheck } from "./files.ts";
import { type Choice, perform, Scenario } from "./operations.ts";
import { Ours } from "./ours.ts";
import { startPeer } from "./peer.ts";
import {
  difference,
  FLAG,
  good,
  openIn,
  type OpenWords,
  outcome,
  recordsOf,
  type Session,
} from "./session.ts";

/** One kind of file and handle. */
export interface Kind {
  readonly name: string;
  readonly flags: number;
  readonly maxDead: number;
  readonly hashSize: number;
  readonly choice: Choice;
}

const SMALL: Choice = { keys: 40, valueMax: 3000, transactions: true, whole: true };
const CHURN: Choice = { keys: 400, valueMax: 9000, transactions: false, whole: false };
const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;

/** What is tried: lock kinds, hashes, dead records, byte orders, long free lists. */
export const KINDS: readonly Kind[] = [
  { name: "old hash", flags: 0, maxDead: 0, hashSize: 7, choice: SMALL },
  { name: "Jenkins", flags: FLAG.INCOMPATIBLE_HASH, maxDead: 5, hashSize: 3, choice: SMALL },
  { name: "mutexes", flags: MUTEX, maxDead: 0, hashSize: 5, choice: SMALL },
  { name: "mutexes, dead records", flags: MUTEX, maxDead: 5, hashSize: 5, choice: SMALL },
  { name: "no locks", flags: FLAG.NOLOCK, maxDead: 0, hashSize: 11, choice: SMALL },
  { name: "big-endian", flags: FLAG.CONVERT, maxDead: 0, hashSize: 7, choice: SMALL },
  {
    name: "big-endian, Jenkins, dead records",
    flags: FLAG.CONVERT | FLAG.INCOMPATIBLE_HASH,
    maxDead: 5,
    hashSize: 7,
    choice: SMALL,
  },
  { name: "one chain", flags: 0, maxDead: 0, hashSize: 1, choice: SMALL },
  { name: "sequence numbers", flags: FLAG.SEQNUM, maxDead: 0, hashSize: 7, choice: SMALL },
  { name: "long free lists", flags: 0, maxDead: 0, hashSize: 131, choice: CHURN },
  { name: "long free lists, mutexes", flags: MUTEX, maxDead: 0, hashSize: 131, choice: CHURN },
  { name: "libtdb without mapping", flags: FLAG.NOMMAP, maxDead: 0, hashSize: 7, choice: SMALL },
];

/** Same operations on two files. */
export async function twoFiles(
  store: ImageStore,
  folder: string,
  kind: Kind,
  seed: number,
  operations: number,
): Promise<void> {
  const scenario = new Scenario(new Dice(seed), kind.choice);
  const peer = startPeer();
  const sessions: [Session, OpenWords][] = [
    [new Ours(store), openWords(join(folder, "ours.tdb"), kind)],
    [peer, openWords(join(folder, "libtdb.tdb"), kind)],
  ];
  for (const [session, words] of sessions) await openIn(session, words);
  const step = async (words: string[]) => {
    const wanted = scenario.apply(words);
    for (const [session] of sessions) await want(session, words, wanted);
  };
  await inTestOf(kind, seed, async () => {
    for (let i = 0; i < operations; i++) await step(scenario.next());
    const last = scenario.finish();
    if (last !== undefined) await step(last);
    for (const [session, words] of sessions) await wantFile(session, words.path, scenario);
  });
  for (const [session] of sessions) await session.ask("close");
  await peer.end();
}

/** The same file, opened by one after the other. */
export async function inTurns(
  store: ImageStore,
  folder: string,
  kind: Kind,
  seed: number,
  turns: number,
  operations: number,
): Promise<void> {
  const scenario = new Scenario(new Dice(seed), kind.choice);
  const peer = startPeer();
  const words = openWords(join(folder, "turns.tdb"), kind);
  const sessions: Session[] = [new Ours(store), peer];
  await inTestOf(kind, seed, async () => {
    for (let turn = 0; turn < turns; turn++) {
      const session = sessions[(turn + seed) % 2] as Session;
      await openIn(session, words);
      for (let i = 0; i < operations; i++) await stepIn(session, scenario);
      const last = scenario.finish();
      if (last !== undefined) await want(session, last, scenario.apply(last));
      await good(session, "check");
      await good(session, "close");
      tdbtoolCheck(words.path);
    }
    for (const session of sessions) {
      await openIn(session, words);
      await wantFile(session, words.path, scenario);
      await good(session, "close");
    }
  });
  await peer.end();
}

/** The same file, open in both; each operation by whom the dice say. */
export async function mixed(
  store: ImageStore,
  folder: string,
  kind: Kind,
  seed: number,
  operations: number,
): Promise<void> {
  const dice = new Dice(seed);
  const scenario = new Scenario(dice, kind.choice);
  const peer = startPeer();
  const ours = new Ours(store);
  const words = openWords(join(folder, "mixed.tdb"), kind);
  await inTestOf(kind, seed, async () => {
    await openIn(ours, words);
    await openIn(peer, words);
    let session: Session = ours;
    for (let i = 0; i < operations; i++) {
      if (!scenario.inTransaction) session = dice.roll(2) === 0 ? ours : peer;
      await stepIn(session, scenario);
      if (i % 100 === 99 && !scenario.inTransaction) await wantFile(session, words.path, scenario);
    }
    const last = scenario.finish();
    if (last !== undefined) await want(session, last, scenario.apply(last));
    for (const each of [ours, peer]) await wantFile(each, words.path, scenario);
    await good(ours, "close");
    await good(peer, "close");
  });
  await peer.end();
}

function openWords(path: string, kind: Kind): OpenWords {
  const { flags, maxDead, hashSize } = kind;
  return { path, mode: "c", flags: flags | FLAG.NOSYNC, maxDead, hashSize };
}

async function stepIn(session: Session, scenario: Scenario): Promise<void> {
  const words = scenario.next();
  await want(session, words, scenario.apply(words));
}

async function want(session: Session, words: string[], wanted: string): Promise<void> {
  const answer = await perform(session, words);
  if (outcome(answer) === wanted) return;
  const asked = words.join(" ").slice(0, 200);
  throw new Error(
    `${session.name}: ${asked}: ${answer.slice(0, 300)}, not ${wanted.slice(0, 300)}`,
  );
}

/** Both checks pass and the records are those of the model, also for tdbdump. */
async function wantFile(session: Session, path: string, scenario: Scenario): Promise<void> {
  await good(session, "check");
  const wrong = difference(await recordsOf(session), scenario.records);
  if (wrong !== "") throw new Error(`${session.name}: ${wrong}`);
  tdbtoolCheck(path);
  const shown = tdbdumpBlocks(path);
  const wanted = dumpBlocks(scenario.records);
  const index = wanted.findIndex((block, at) => block !== shown[at]);
  if (shown.length !== wanted.length || index >= 0) {
    throw new Error(
      `tdbdump shows ${shown.length} records, not ${wanted.length}; ${wanted[index]}`,
    );
  }
}

async function inTestOf(kind: Kind, seed: number, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${kind.name}, seed ${seed}: ${text}`, { cause });
  }
}
