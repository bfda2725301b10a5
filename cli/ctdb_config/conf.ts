/**
 * ctdb.conf: each of its options, and what becomes of it. One that CTDB does not know is a fault, as it is to CTDB.
 *
 *   [cluster] cluster lock = /shared/lock ──▶ draft.lock, "changed: ..."     [database] tdb mutexes ──▶ "not taken"
 *
 * Does NOT promise: options of versions before 4.9, whose files were shell.
 * Upstream: ctdb.conf(5) of 4.17.
 */

import { lineFault, readConf, type Setting, shown } from "./lines.ts";
import { type CtdbFile, type Draft, type OptionRow, quoted } from "./plan.ts";

type Outcome = readonly [outcome: OptionRow["outcome"], text: string];
/** Applies a value. Answers what became of it, or what is wrong with it: "must be ...". */
type Rule = (draft: Draft, value: string) => Outcome | string;

const LEVELS = {
  error: "error",
  warning: "warning",
  notice: "info",
  info: "info",
  debug: "debug",
} as const;

const LOG_RULE: Rule = (draft, value) => {
  const word = value.toLowerCase();
  if (!Object.hasOwn(LEVELS, word)) return "must be ERROR, WARNING, NOTICE, INFO or DEBUG";
  draft.logLevel = LEVELS[word as keyof typeof LEVELS];
  if (draft.logLevel === word) return ["taken", `[log] level = "${draft.logLevel}"`];
  return ["changed", `[log] level = "${draft.logLevel}": there is no level between`];
};

/** A text that changes nothing. */
function without(text: string): Rule {
  return () => ["not taken", text];
}

/** A switch; `then`: what it means when it is not CTDB's default. */
function flag(byDefault: boolean, then: (draft: Draft) => Outcome): Rule {
  return (draft, value) => {
    const word = value.toLowerCase();
    const isOn = ["true", "yes", "1"].includes(word);
    if (!isOn && !["false", "no", "0"].includes(word)) return "must be true or false";
    return isOn === byDefault ? ["taken", "as nodes of ctdbx are without it"] : then(draft);
  };
}

/** A command about the node whose file it is. */
function ofSelf(draft: Draft, words: string, text: string): Outcome {
  const command = `ctdbx ${words.replace("NODE", draft.self ?? "NODE")}`;
  draft.after.push({ at: undefined, command, text });
  const whose = draft.self === undefined ? "; NODE is the one whose file this is" : "";
  return ["changed", `\`${command}\`, when it has joined${whose}`];
}

const LOCK_RULE: Rule = (draft, value) => {
  if (value === "") return "must be a file, or ! and a command";
  if (!value.startsWith("!")) {
    if (!value.startsWith("/")) return "must be an absolute path, or ! and a command";
    const path = `${value}.ctdbx`;
    draft.lock = { kind: "file", path };
    const text =
      `--lock file:${path}: the leader writes its record there, and ctdb's own file stays as it is`;
    return ["changed", text];
  }
  const command = value.slice(1).trim().split(/\s+/);
  if (command[0] === undefined || !command[0].startsWith("/")) {
    return "must name its program by an absolute path";
  }
  draft.lock = { kind: "helper", command };
  const words = command.map(quoted).join(", ");
  const table = `kind = "helper" and command = [${words}]`;
  return ["changed", `by hand, in [lock] of each node before its daemon starts: ${table}`];
};

const ADDRESS_RULE: Rule = (draft, value) => {
  const found = draft.nodes.find(({ address }) => address === value);
  if (found === undefined) return "must be one of the addresses in the file nodes";
  draft.self = found.name;
  return ["taken", `this is ${found.name}: --addr and --listen name its address`];
};

const DEBUG_RULE: Rule = (draft, value) => {
  const bare = value.split("/").at(-1) ?? "";
  if (bare === "") return "must be the name of a file";
  draft.debugScript = bare;
  return ["taken", `[scripts] debug = "${bare}"`];
};

const TRANSPORT_RULE: Rule = (_draft, value) => {
  if (value !== "tcp" && value !== "ib") return "must be tcp or ib";
  return ["not taken", "nodes speak over NATS, which goes over TCP"];
};

const SECONDS_RULE: Rule = (_draft, value) => {
  if (!/^\d{1,6}$/.test(value)) return "must be a number of seconds";
  return [
    "not taken",
    "when a silent leader is given up (1.2 s) belongs to the arithmetic of leases, and is fixed",
  ];
};

const FAILOVER_RULE = flag(false, (draft) => {
  draft.isFailoverOff = true;
  return ["taken", "without [addresses] a node has none"];
});

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["logging/log level", LOG_RULE],
  [
    "logging/location",
    without("the daemon writes run/daemon.log, or the journal of systemd"),
  ],
  ["cluster/cluster lock", LOCK_RULE],
  ["cluster/recovery lock", LOCK_RULE],
  [
    "cluster/leader capability",
    flag(true, (draft) => ofSelf(draft, "node role NODE --leader no", "it may not lead")),
  ],
  ["cluster/leader timeout", SECONDS_RULE],
  ["cluster/node address", ADDRESS_RULE],
  ["cluster/transport", TRANSPORT_RULE],
  [
    "database/volatile database directory",
    without("volatile databases are in the node's state folder: --home, or a mount there"),
  ],
  [
    "database/persistent database directory",
    without(
      "persistent databases are in the node's state folder; `db import` brings over what is in the old files",
    ),
  ],
  ["database/state database directory", without("the node's state is in its own folder")],
  [
    "database/tdb mutexes",
    flag(true, () => [
      "not taken",
      "mutexes are used where the machine has robust ones, and only there",
    ]),
  ],
  [
    "database/lock debug script",
    without("locks are no processes; `glock ls` and `db stats` show who waits"),
  ],
  ["event/debug script", DEBUG_RULE],
  ["failover/disabled", FAILOVER_RULE],
  [
    "legacy/realtime scheduling",
    flag(true, () => [
      "not taken",
      "the daemon asks for a higher priority than others, and does without where it may not",
    ]),
  ],
  [
    "legacy/lmaster capability",
    flag(true, (draft) => ofSelf(draft, "node role NODE --lmaster no", "it is home of no slot")),
  ],
  [
    "legacy/recmaster capability",
    flag(true, (draft) => ofSelf(draft, "node role NODE --leader no", "it may not lead")),
  ],
  [
    "legacy/ctdb start as stopped",
    flag(false, (draft) => ofSelf(draft, "node stop NODE", "out until `node continue`")),
  ],
  [
    "legacy/start as stopped",
    flag(false, (draft) => ofSelf(draft, "node stop NODE", "out until `node continue`")),
  ],
  [
    "legacy/start as disabled",
    flag(false, (draft) => ofSelf(draft, "node disable NODE", "no addresses until `node enable`")),
  ],
  ["legacy/script log level", without("what scripts print is kept with their results, all of it")],
]);

/** Takes ctdb.conf into a draft. Throws Failure, with file and line. */
export function takeConf(draft: Draft, { path, text }: CtdbFile): void {
  const settings = readConf(text, path);
  const last = new Map(settings.map((setting) => [keyOf(setting), setting]));
  // Who this node is decides about what others say of it.
  const order = [...settings].sort((one, other) => rank(one) - rank(other));
  const rows: OptionRow[] = [];
  for (const setting of order) {
    const { section, key, value, line } = setting;
    const rule = RULES.get(keyOf(setting));
    if (rule === undefined) {
      throw lineFault(path, line, `there is no option ${shown(key)} in [${section}]`);
    }
    const row = { file: "ctdb.conf", line, option: `${section}: ${key}`, value };
    if (last.get(keyOf(setting)) !== setting) {
      const text = `it is set again on line ${last.get(keyOf(setting))?.line}, which counts`;
      rows.push({ ...row, outcome: "not taken", text });
      continue;
    }
    const done = rule(draft, value);
    if (typeof done === "string") throw lineFault(path, line, `${key} ${done}, is ${shown(value)}`);
    rows.push({ ...row, outcome: done[0], text: done[1] });
  }
  draft.options.push(...rows.sort((one, other) => (one.line ?? 0) - (other.line ?? 0)));
}

const keyOf = ({ section, key }: Setting): string => `${section}/${key}`;
const rank = ({ key }: Setting): number => key === "node address" ? 0 : 1;
