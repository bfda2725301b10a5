/**
 * The state folder: a node that cannot write promises nothing, accepts nothing, and is left out of the next view.
 *
 * Does NOT promise: to know a disk that lies; what is told is what writes said and what the file system shows.
 */
import type { Facts, Found, NodeFacts, Rule } from "./facts.ts";
import { askedWords, ctdbx, found, shellWord, span, STANDSTILL } from "./words.ts";
import type { Timing } from "../machines/cluster/tunables.ts";

/** Less is no room for the two metadata files of a large cluster, bytes. */
const SPACE_LOW = 64 * 1024 * 1024;
/** Less is no room for one write, bytes. */
const SPACE_NONE = 256 * 1024;
const FULL = /ENOSPC|EDQUOT|no space|quota|disk full/i;
const DENIED = /EROFS|EACCES|EPERM|read-only|takes no writes|denied|not permitted/i;

/** What a node's disk does to others. */
const HELD_UP: readonly string[] = ["view_change"];
/** A node that may not write is not taken in, does not lead, and counts as sick. */
const SICK: readonly string[] = STANDSTILL.filter((id) => id !== "nats_lost");

type Kind = "full" | "denied" | "fault";

/** What is wrong with a node's disk; undefined: nothing that stops it. */
function kindOf({ inside, outside }: NodeFacts): Kind | undefined {
  const fault = inside?.disk.fault;
  const space = outside?.space;
  const isFull = space !== undefined &&
    (space.freeBytes < SPACE_NONE || (space.freeFiles === 0 && space.totalBytes > 0));
  if (fault !== undefined) {
    if (FULL.test(fault)) return "full";
    if (DENIED.test(fault)) return "denied";
    return "fault";
  }
  if (space?.denied !== undefined) return "denied";
  return isFull ? "full" : undefined;
}

function bytesText(bytes: number): string {
  if (bytes < 1024 * 1024) return `${Math.floor(bytes / 1024)} KiB`;
  if (bytes < 1024 ** 3) return `${Math.floor(bytes / 1024 ** 2)} MiB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

function evidenceOf({ inside, outside }: NodeFacts): string[] {
  const lines: string[] = [];
  if (inside?.disk.fault !== undefined) lines.push(`its last write failed: ${inside.disk.fault}`);
  const space = outside?.space;
  if (outside !== undefined && space !== undefined) {
    const { freeBytes, totalBytes, freeFiles, denied } = space;
    lines.push(
      `${outside.stateFolder} has ${bytesText(freeBytes)} of ${bytesText(totalBytes)} free` +
        `${freeFiles === 0 ? ", and no files" : ""}`,
    );
    if (denied !== undefined) lines.push(`${outside.stateFolder} cannot be written: ${denied}`);
  }
  if (inside !== undefined) {
    lines.push(inside.isServing ? "it serves still, by a former view" : "it serves nothing");
  }
  return lines;
}

function nextOf({ inside }: NodeFacts, timing: Timing): string[] {
  const lines = [
    `the write is tried again each ${span(timing.diskRetryMs)}: with room it goes on by itself`,
  ];
  if (inside?.isLeader === true) {
    lines.push("it hands the lead over as soon as another voter that is well answers");
  } else {
    lines.push(
      `a member that cannot accept the next view is left out of it, ${
        span(timing.deadMs)
      } after that was asked for`,
    );
  }
  return lines;
}

/** The rule for one kind. */
function diskRule(
  kind: Kind,
  words: Pick<Rule, "id" | "cause" | "evidence"> & {
    readonly title: (name: string, isFailing: boolean) => string;
  },
  commands: (folder: string) => string[],
): Rule {
  const { title, ...rest } = words;
  return {
    ...rest,
    next:
      "the write is tried again each 0.5 s; a leader hands over; the node is left out of the next view",
    command: commands("FOLDER")[0] ?? "ctdbx daemon status",
    explainsHere: SICK,
    explainsAll: HELD_UP,
    find: (facts) =>
      facts.nodes.filter((node) => kindOf(node) === kind).map((node): Found =>
        found({
          node: node.name,
          title: title(node.name, node.inside?.disk.fault !== undefined),
          severity: node.inside !== undefined && node.inside.disk.fault === undefined
            ? "warning"
            : "error",
          evidence: evidenceOf(node),
          next: nextOf(node, facts.timing),
          commands: node.outside === undefined
            ? [ctdbx(`node status ${shellWord(node.name)}`, askedWords(facts))]
            : commands(shellWord(node.outside.stateFolder)),
        })
      ),
  };
}

const DISK_FULL = diskRule(
  "full",
  {
    id: "disk_full",
    cause: "The disk of the state folder is full",
    evidence: "the failed write's own words; free bytes and files of the file system",
    title: (name, isFailing) =>
      isFailing
        ? `The disk of ${name} is full: it can promise and accept nothing`
        : `The disk of ${name} is full: its next write may fail`,
  },
  (folder) => [`df -h ${folder}`, `du -xsh ${folder}`],
);

const DISK_DENIED = diskRule(
  "denied",
  {
    id: "disk_denied",
    cause: "The state folder cannot be written",
    evidence: "the failed write's own words; read-only file system, permissions",
    title: (name) => `The state folder of ${name} cannot be written`,
  },
  (folder) => [`ls -ld ${folder}`, `findmnt -T ${folder}`],
);

const DISK_FAULT = diskRule(
  "fault",
  {
    id: "disk_fault",
    cause: "The disk of the state folder fails",
    evidence: "the failed write's own words",
    title: (name) => `The disk of ${name} fails: a write came back with an error`,
  },
  (folder) => [`findmnt -T ${folder}`, "dmesg --ctime --level err,warn"],
);

const DISK_SLOW: Rule = {
  id: "disk_slow",
  cause: "A write to the state folder does not end",
  evidence: "for how long the write under way is waited for",
  next: "the node counts as sick after 1.5 s, a leader steps down; it goes on when the write ends",
  command: "ctdbx daemon status",
  explainsHere: SICK,
  explainsAll: HELD_UP,
  find: ({ nodes, timing }: Facts) =>
    nodes.flatMap(({ name, inside, outside }) => {
      const hungMs = inside?.disk.hungMs;
      if (inside?.disk.fault !== undefined || hungMs === undefined) return [];
      if (hungMs < timing.grantLossMs) return [];
      const folder = outside?.stateFolder;
      return found({
        node: name,
        title: `A write to the disk of ${name} does not end`,
        severity: "error",
        evidence: [`it is waited for since ${span(hungMs)}`],
        next: ["it promises and accepts nothing until the write ends, and goes on by itself then"],
        commands: folder === undefined
          ? [ctdbx("daemon status")]
          : [`findmnt -T ${shellWord(folder)}`, ctdbx("daemon status", outside?.words)],
      });
    }),
};

const DISK_LOW: Rule = {
  id: "disk_low",
  cause: "The disk of the state folder is nearly full",
  evidence: "free bytes of the file system, below 64 MiB",
  next: "nothing, until a write fails",
  command: "df -h FOLDER",
  explainsHere: [],
  explainsAll: [],
  find: ({ nodes }: Facts) =>
    nodes.flatMap((node) => {
      const space = node.outside?.space;
      if (space === undefined || space.freeBytes >= SPACE_LOW || kindOf(node) !== undefined) {
        return [];
      }
      return found({
        node: node.name,
        title: `The disk of ${node.name} is nearly full`,
        severity: "warning",
        evidence: evidenceOf(node),
        next: ["nothing, until a write fails; then the node can promise and accept nothing"],
        commands: [`df -h ${shellWord(node.outside?.stateFolder ?? "")}`],
      });
    }),
};

/** Causes that stop a node. */
export const DISK_RULES: readonly Rule[] = [DISK_FULL, DISK_DENIED, DISK_FAULT, DISK_SLOW];
/** They come last. */
export const DISK_LATE_RULES: readonly Rule[] = [DISK_LOW];
