/**
 * The first words of ctdbx, and where their commands are: only those of the word that was typed are loaded.
 *
 *   ctdbx tdb get ...  ──▶ loads commands/tdb.ts      ctdbx --help, ctdbx tbd  ──▶ names and descriptions suffice
 *
 * Does NOT promise: that a description here is that of the command; test/cli/tree.test.ts compares them.
 */

import type { Command } from "commander";
import type { CommandWorld } from "../world.ts";

/** One first word. */
export interface Group {
  readonly name: string;
  /** As in the list of commands. */
  readonly about: string;
  /** Not shown in help, nor in the documents. */
  readonly hidden?: boolean;
  /** Loads its commands and adds them to the program. */
  readonly add: (program: Command, world: CommandWorld) => Promise<void>;
}

/** All first words, in the order of the help. */
export const GROUPS: readonly Group[] = [
  {
    name: "cluster",
    about: "the cluster as a whole",
    add: async (program, world) => {
      const cluster = (await import("./cluster.ts")).addClusterCommands(program, world);
      (await import("./explain.ts")).addClusterExplain(cluster, world);
      (await import("./cluster_members.ts")).addClusterMemberCommands(cluster, world);
      (await import("./cluster_force.ts")).addClusterForceCommand(cluster, world);
    },
  },
  {
    name: "node",
    about: "the nodes of the cluster",
    add: async (program, world) => {
      const node = (await import("./node.ts")).addNodeCommands(program, world);
      (await import("./explain.ts")).addNodeExplain(node, world);
      (await import("./node_show.ts")).addNodeShowCommands(node, world);
      (await import("./node_change.ts")).addNodeChangeCommands(node, world);
    },
  },
  {
    name: "leader",
    about: "the node that decides for the cluster",
    add: async (program, world) => {
      (await import("./leader.ts")).addLeaderCommands(program, world);
    },
  },
  {
    name: "lock",
    about: "the leader lock",
    add: async (program, world) => {
      const lock = (await import("./lock.ts")).addLockCommands(program, world);
      (await import("./lock_show.ts")).addLockShowCommand(lock, world);
    },
  },
  {
    name: "slot",
    about: "the slots that keys fall into",
    add: async (program, world) => {
      (await import("./slot.ts")).addSlotCommands(program, world);
    },
  },
  {
    name: "db",
    about: "the databases of the cluster",
    add: async (program, world) => {
      const db = (await import("./db.ts")).addDbCommands(program, world);
      (await import("./db_change.ts")).addDbChangeCommands(db, world);
      (await import("./db_records.ts")).addDbRecordCommands(db, world);
      (await import("./db_import.ts")).addDbImportCommand(db, world);
      (await import("./db_export.ts")).addDbExportCommand(db, world);
      (await import("./db_backup.ts")).addDbBackupCommands(db, world);
      (await import("./db_restore.ts")).addDbRestoreCommand(db, world);
      (await import("./db_trash.ts")).addDbTrashCommands(db, world);
      (await import("./db_check.ts")).addDbCheckCommands(db, world);
      (await import("./db_seqnum.ts")).addDbSeqnumCommand(db, world);
      (await import("./db_force.ts")).addDbForceCommand(db, world);
      (await import("./db_lost.ts")).addDbLostCommands(db, world);
      (await import("./db_adopt.ts")).addDbAdoptCommand(db, world);
    },
  },
  {
    name: "rec",
    about: "records of databases",
    add: async (program, world) => {
      const rec = (await import("./rec.ts")).addRecCommands(program, world);
      (await import("./rec_work.ts")).addRecWorkCommands(rec, world);
      (await import("./rec_watch.ts")).addRecWatchCommand(rec, world);
      (await import("./rec_where.ts")).addRecWhereCommands(rec, world);
      (await import("./rec_pin.ts")).addRecPinCommand(rec, world);
    },
  },
  {
    name: "tx",
    about: "transactions of persistent and replicated databases",
    add: async (program, world) => {
      (await import("./tx.ts")).addTxCommands(program, world);
    },
  },
  {
    name: "glock",
    about: "locks of the cluster, by name",
    add: async (program, world) => {
      (await import("./glock.ts")).addGlockCommands(program, world);
    },
  },
  {
    name: "lease",
    about: "one copy of a command in the whole cluster",
    add: async (program, world) => {
      (await import("./lease.ts")).addLeaseCommands(program, world);
    },
  },
  {
    name: "msg",
    about: "messages between programs",
    add: async (program, world) => {
      (await import("./msg.ts")).addMsgCommands(program, world);
    },
  },
  {
    name: "ip",
    about: "the public addresses",
    add: async (program, world) => {
      (await import("./ip.ts")).addIpCommands(program, world);
    },
  },
  {
    name: "iface",
    about: "interfaces of public addresses",
    add: async (program, world) => {
      (await import("./iface.ts")).addIfaceCommands(program, world);
    },
  },
  {
    name: "resource",
    about: "what programs of the cluster own",
    add: async (program, world) => {
      (await import("./resource.ts")).addResourceCommands(program, world);
    },
  },
  {
    name: "recovery",
    about: "what a change of the view means for records",
    add: async (program, world) => {
      const recovery = (await import("./recovery.ts")).addRecoveryCommands(program, world);
      (await import("./recovery_explain.ts")).addRecoveryExplain(recovery, world);
    },
  },
  {
    name: "tunable",
    about: "values that are set while it runs",
    add: async (program, world) => {
      (await import("./tunable.ts")).addTunableCommands(program, world);
    },
  },
  {
    name: "event",
    about: "event scripts: what they do, and how it went",
    add: async (program, world) => {
      (await import("./event.ts")).addEventCommands(program, world);
    },
  },
  {
    name: "stats",
    about: "what nodes count",
    add: async (program, world) => {
      (await import("./stats.ts")).addStatsCommands(program, world);
    },
  },
  {
    name: "watch",
    about: "show what happens in the cluster, and where, until Ctrl-C",
    add: async (program, world) => {
      (await import("./watch.ts")).addWatchCommand(program, world);
    },
  },
  {
    name: "top",
    about: "the nodes as a table that is drawn anew each second",
    add: async (program, world) => {
      (await import("./top.ts")).addTopCommand(program, world);
    },
  },
  {
    name: "check",
    about: "judge the cluster for a monitoring system: one line, exit code 0 to 3",
    add: async (program, world) => {
      (await import("./check.ts")).addCheckCommand(program, world);
    },
  },
  {
    name: "service",
    about: "checks of services, and who is told of them",
    add: async (program, world) => {
      (await import("./service.ts")).addServiceCommands(program, world);
    },
  },
  {
    name: "metrics",
    about: "a node's metrics, as Prometheus reads them",
    add: async (program, world) => {
      (await import("./metrics.ts")).addMetricsCommand(program, world);
    },
  },
  {
    name: "daemon",
    about: "the daemon of a node",
    add: async (program, world) => {
      (await import("./daemon.ts")).addDaemonCommands(program, world);
    },
  },
  {
    name: "config",
    about: "configurations of nodes",
    add: async (program, world) => {
      (await import("./config.ts")).addConfigCommands(program, world);
    },
  },
  {
    name: "nats",
    about: "the message server that carries ctdbx",
    add: async (program, world) => {
      (await import("./nats.ts")).addNatsCommands(program, world);
    },
  },
  {
    name: "tdb",
    about: "TDB files: read, write, check, copy, rescue",
    add: async (program, world) => {
      (await import("./tdb.ts")).addTdbCommands(program, world);
    },
  },
  {
    name: "dev",
    about: "a cluster of this machine, to try things with",
    add: async (program, world) => {
      (await import("./dev.ts")).addDevCommands(program, world);
    },
  },
  {
    name: "sim",
    about: "clusters in virtual time, with faults",
    add: async (program, world) => {
      (await import("./sim.ts")).addSimCommands(program, world);
    },
  },
  {
    name: "bench",
    about: "what the cluster costs on this machine",
    add: async (program, world) => {
      const bench = (await import("./bench.ts")).addClusterBench(program, world);
      (await import("./bench_records.ts")).addRecordBenches(bench, world);
    },
  },
  {
    name: "version",
    about: "what this program is, and what it knows",
    add: async (program, world) => {
      (await import("./version.ts")).addVersionCommand(program, world);
    },
  },
  {
    name: "completion",
    about: "print a script that completes commands in a shell",
    add: async (program, world) => {
      (await import("./completion.ts")).addCompletionCommand(
        program,
        world,
        await wholeTree(world),
      );
    },
  },
  {
    name: "man",
    about: "write the man pages into a folder",
    hidden: true,
    add: async (program, world) => {
      (await import("./completion.ts")).addManCommand(program, world, await wholeTree(world));
    },
  },
];

/** For commands that are about all commands. */
async function wholeTree(world: CommandWorld) {
  const { commandTree, VERSION } = await import("../run.ts");
  return { tree: () => commandTree(world), version: VERSION };
}
