/**
 * What people type who know ctdb or etcdctl, and what it is called here.
 *
 *   ctdbx getdbmap -> "ctdb getdbmap" is: ctdbx db ls          ctdbx watch DB KEY -> one record: ctdbx rec watch
 *
 * Does NOT promise: the same output, or arguments in the same order; it is a hint, and nothing acts on it.
 */

/** Commands of `ctdb`, by their first word. */
const CTDB: Readonly<Record<string, string>> = {
  attach: "db attach",
  backupdb: "db export",
  ban: "node ban",
  catdb: "db traverse",
  cattdb: "tdb dump",
  continue: "node continue",
  dbstatistics: "db stats",
  deletekey: "rec del",
  detach: "db detach",
  disable: "node disable",
  dumpmemory: "metrics",
  enable: "node enable",
  getdbmap: "db ls",
  getdbstatus: "db status",
  listnodes: "node list",
  nodestatus: "node status",
  pdelete: "rec del",
  pfetch: "rec get",
  ping: "node ping",
  pnn: "node show",
  pstore: "rec put",
  ptrans: "tx apply",
  readkey: "rec get",
  recmaster: "leader show",
  recover: "recovery run",
  restoredb: "db import",
  runstate: "node runstate",
  setdbreadonly: "db set",
  setdbsticky: "db set",
  shutdown: "daemon stop",
  statistics: "stats show",
  status: "cluster status",
  stop: "node stop",
  unban: "node unban",
  uptime: "node uptime",
  wipedb: "db wipe",
  writekey: "rec put",
};

/** Commands of `etcdctl`. */
const ETCDCTL: Readonly<Record<string, string>> = {
  del: "rec del",
  elect: "lease run",
  endpoint: "cluster status",
  get: "rec get",
  member: "cluster view",
  put: "rec put",
  snapshot: "db export",
  txn: "tx run",
};

/** Commands of ours that are something else elsewhere. */
const SAME: Readonly<Record<string, string>> = {
  lock: "glock run",
  watch: "rec watch",
};

/** All commands of ours that a hint names, for the test that they are there. */
export const HINTED: readonly string[] = [CTDB, ETCDCTL, SAME].flatMap(Object.values<string>);

/**
 * The hint for a first word that is no command here; undefined: nobody else has it, either. `typed` is as it was
 * given.
 */
export function peerHint(typed: string): string | undefined {
  for (const [peer, words] of [["ctdb", CTDB], ["etcdctl", ETCDCTL]] as const) {
    if (Object.hasOwn(words, typed)) {
      return `\`${peer} ${typed}\` is \`ctdbx ${words[typed]}\` here`;
    }
  }
  return undefined;
}

/** The hint for arguments that a command of ours does not take, by its name; undefined: there is none. */
export function sameNameHint(command: string): string | undefined {
  if (!Object.hasOwn(SAME, command)) return undefined;
  const what = command === "watch" ? "records are watched" : "a lock by name is taken";
  return `${what} by \`ctdbx ${SAME[command]}\``;
}
