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
      (await import("./bench.ts")).addClusterBench(program, world);
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
