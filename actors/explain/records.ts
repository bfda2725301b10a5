/**
 * Volatile databases: the thread that serves them, records that a program holds up, and recoveries that go on.
 *
 * Does NOT promise: who waits for a record on other nodes; `ctdbx rec where` asks all of them.
 */
import { SILENT_LOOKS } from "../data_link.ts";
import { BACK_OFF } from "../supervision.ts";
import type { DataFact, Facts, Found, InsideFacts, NodeFacts, Rule } from "./facts.ts";
import { askedWords, COMMOTION, counted, ctdbx, found, listed, shellWord, span } from "./words.ts";
import { STANDSTILL, withWord } from "./words.ts";

/** A thread that failed longer ago is as good as any, ms. */
const RECENT_MS = BACK_OFF.healthyMs;
/** One that is up since so long, ms, is probably well again. */
const WELL_MS = BACK_OFF.mostMs;
/** A record that is held up for so long is worth a word, ms. */
export const HELD_MS = 1000;

type Spoken = NodeFacts & { readonly inside: InsideFacts };

const DATA_CRASHING: Rule = {
  id: "data_crashing",
  cause: "The thread with the node's databases dies, or does not answer",
  evidence: "how often it has failed, when last and of what; whether it is up",
  next: "the node begins a new life with empty files; the others look for its records",
  command: "ctdbx daemon stop",
  explainsHere: STANDSTILL,
  explainsAll: COMMOTION,
  find: (facts) => withWord(facts).flatMap((node) => crashing(node, facts)),
};

function crashing({ name, inside: { data }, outside }: Spoken, facts: Facts): Found[] {
  if (data === undefined || data.failures === 0) return [];
  const { isUp, failures, failedMsAgo, why } = data;
  if (isUp && (failedMsAgo ?? Infinity) > RECENT_MS) return [];
  const isWell = isUp && (failedMsAgo ?? Infinity) > WELL_MS;
  return [found({
    node: name,
    title: isUp
      ? `The data thread of ${name} has died, and is up again`
      : `The data thread of ${name} has died, and is not up again`,
    severity: isWell ? "info" : isUp ? "warning" : "error",
    evidence: [
      `it has failed ${counted(failures, "time")} in this life of the daemon${
        failedMsAgo === undefined ? "" : `, the last time ${span(failedMsAgo)} ago`
      }${why === undefined ? "" : `: ${why}`}`,
    ],
    next: [
      `it is started again after ${span(BACK_OFF.firstMs)}, later each time, ${
        span(BACK_OFF.mostMs)
      } at the most; one that does not answer is ended after ${SILENT_LOOKS} s`,
      "the node has no part in the view until it is up; what its records were, the others find " +
      "among themselves, and what it alone had is lost",
    ],
    commands: [
      ...outside === undefined
        ? []
        : [`tail -n 20 ${shellWord(`${outside.runFolder}/daemon.log`)}`],
      ctdbx(`node status ${shellWord(name)}`, outside?.words ?? askedWords(facts)),
    ],
  })];
}

/** The databases of a node that say something, with their node. */
function databases(facts: Facts): { node: Spoken; database: DataFact }[] {
  return withWord(facts).flatMap((node) =>
    (node.inside.data?.databases ?? []).map((database) => ({ node, database }))
  );
}

const DATA_NO_FILE: Rule = {
  id: "data_no_file",
  cause: "A node cannot make the file of a database: its folder is full, or may not be written to",
  evidence: "which database, and what the making met",
  next: "the node stays a member with its vote; programs at it are refused until it has the file",
  command: "df STATE_FOLDER",
  explainsHere: ["node_unhealthy"],
  explainsAll: [],
  find: (facts) =>
    withWord(facts).flatMap(({ name, inside: { data }, outside }): Found[] => {
      const bare = (data?.databases ?? []).filter(({ noFile }) => noFile !== undefined);
      const [first] = bare;
      if (first === undefined) return [];
      const folder = outside === undefined ? undefined : `${outside.stateFolder}/volatile`;
      return [found({
        node: name,
        title: `${name} has no file for ${listed(bare.map((one) => one.name))}`,
        severity: "error",
        evidence: bare.map((one) => `${one.name}: ${one.noFile}`),
        next: [
          "the node stays a member and keeps its vote; what programs at this node want of those databases is refused",
          "the file is tried again each second: when there is room, or leave, it serves by itself",
        ],
        commands: [
          ...folder === undefined
            ? []
            : [`df -h ${shellWord(folder)}`, `ls -ld ${shellWord(folder)}`],
          ctdbx(`db status ${shellWord(first.name)}`, outside?.words ?? askedWords(facts)),
        ],
      })];
    }),
};

const RECORD_HELD: Rule = {
  id: "record_held",
  cause: "A program holds up a record: it is stopped, hangs, or keeps a lock for long",
  evidence: "which record, which process and since when; how many operations wait at the node",
  next: "only records of the same hash chain wait; what waits ends with a code at its deadline",
  command: "ctdbx rec where DATABASE KEY",
  explainsHere: [],
  explainsAll: [],
  find: (facts) =>
    databases(facts).flatMap(({ node: { name, outside }, database }) => {
      const { heldUp, waiting } = database;
      if (heldUp === undefined || heldUp.ageMs < HELD_MS) return [];
      const who = heldUp.pid === undefined ? "a program" : `process ${heldUp.pid}`;
      const words = outside?.words ?? askedWords(facts);
      return [found({
        node: name,
        title: `${who} holds up record ${heldUp.key} of ${database.name} at ${name}`,
        severity: "warning",
        evidence: [
          `${who} has had its chain for ${span(heldUp.ageMs)}`,
          `${counted(waiting, "operation")} ${
            waiting === 1 ? "waits" : "wait"
          } for records of ${database.name} there`,
        ],
        next: [
          "only records of the same hash chain wait; what waits ends with a code at its deadline",
          "when that process ends, however it ends, the record is free: with its old value or the new one",
        ],
        commands: [
          ctdbx(
            `rec where ${shellWord(database.name)} ${heldUp.isHex ? "--hex " : ""}${
              shellWord(heldUp.key)
            }`,
            words,
          ),
          ...heldUp.pid === undefined ? [] : [`ps -o pid,stat,etime,args -p ${heldUp.pid}`],
        ],
      })];
    }),
};

const RECOVERY_RUNS: Rule = {
  id: "recovery_runs",
  cause: "Records are looked for after a change of the view",
  evidence: "slots that are not open yet, and records that the homes ask for, by node and database",
  next: "it ends by itself, within a second or so; other records are served all the time",
  command: "ctdbx recovery status",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => {
    const open = databases(facts).filter(({ database }) =>
      database.slotsOpening > 0 || database.keysQueried > 0
    );
    if (open.length === 0) return [];
    return [found({
      title: "A recovery goes on",
      severity: "info",
      evidence: open.map(({ node, database: { name, slotsOpening, keysQueried } }) =>
        `${node.name} opens ${counted(slotsOpening, "slot")} of ${name}, and asks all for ${
          counted(keysQueried, "record")
        }`
      ),
      next: [
        "requests for those wait until they are open; all others are served",
        "a slot whose home has gone is open when all members have said what they have of it",
      ],
      commands: [ctdbx("recovery status", askedWords(facts))],
    })];
  },
};

/** Deep: a node without that thread is out. */
export const DATA_RULES: readonly Rule[] = [DATA_CRASHING, DATA_NO_FILE];
/** Late: nothing else follows from them. */
export const RECORD_RULES: readonly Rule[] = [RECORD_HELD, RECOVERY_RUNS];
