/**
 * What explain.ts judges by: plain data about nodes, from inside (their own word) and from outside (what the machine of
 * the one who asks shows of them), and about the NATS servers.
 *
 *   NodeFacts = inside? + outside? + silence?      inside: a daemon's own word, over its socket or the bus
 *                                                  outside: processes, socket, files, logs; only on this machine
 *
 * u64 are strings of digits here: facts travel as JSON. Times "ago" and "left" are milliseconds, rounded.
 *
 * Does NOT promise: one moment; facts of different nodes are some hundred milliseconds apart.
 */
import type { AddressesFact } from "./address_facts.ts";
import type { Timing } from "../machines/cluster/tunables.ts";
import type { ResourcesFact } from "./inside_resources.ts";

/** How a process is. waiting: in the kernel, for a disk or the like; gone: there is none with its id. */
export type ProcessState = "running" | "stopped" | "waiting" | "zombie" | "gone";

/** A process that a file of a node names. */
export interface ProcessFact {
  readonly pid: number;
  readonly state: ProcessState;
  /** Since it was started, ms; undefined: it is gone, or nobody says. */
  readonly ageMs?: number;
}

/** What became of a question on a node's socket. */
export interface SocketFact {
  /**
   * answers; starting: it says that it is; silent: it takes the connection and says nothing; refused: the file is
   * there and nobody listens; missing: no such file; denied: it is another user's; failed: anything else.
   */
  readonly state: "answers" | "starting" | "silent" | "refused" | "missing" | "denied" | "failed";
  /** How long an answer was waited for, ms. */
  readonly waitedMs: number;
  readonly text?: string;
}

/** A line of a log that is a warning or an error. */
export interface LogFact {
  readonly part: "daemon" | "supervisor";
  /** ms; undefined: the line has no time. */
  readonly msAgo?: number;
  readonly text: string;
}

/** What this machine shows of a node. */
export interface OutsideFacts {
  /** Options that name the node to a command: `--home /srv/n0`. */
  readonly words: string;
  readonly configPath: string;
  readonly stateFolder: string;
  readonly runFolder: string;
  readonly socketPath: string;
  /** Why its state folder is good for no start any more: the node has left, or was replaced. */
  readonly left?: string;
  /** What is wrong with its configuration; undefined: nothing. */
  readonly configFault?: string;
  /** Undefined: it never had one, as with `daemon run`. */
  readonly supervisor?: ProcessFact;
  /** Undefined: no page, no child of the supervisor. */
  readonly daemon?: ProcessFact;
  /** What starts a dead supervisor again: the keeper of a dev cluster; undefined: there is none. */
  readonly keeper?: ProcessFact;
  /** Where the nats-server that the node keeps itself is reached, host:port; undefined: it keeps none. */
  readonly servers?: readonly string[];
  readonly socket: SocketFact;
  /** The lease in its state page; negative: over for so long. isEnded: given back, or ended by the supervisor. */
  readonly page?: { readonly isEnded: boolean; readonly leaseLeftMs: number };
  /** The file system of the state folder, as the daemon sees it where that can be looked at. */
  readonly space?: {
    readonly freeBytes: number;
    readonly totalBytes: number;
    readonly freeFiles: number;
    /** Why it cannot be written; undefined: it can. */
    readonly denied?: string;
  };
  /** The newest last. */
  readonly log: readonly LogFact[];
}

/** What a NATS server does with a connection. */
export interface ServerFact {
  readonly server: string;
  /** silent: it takes the connection and does not greet. odd: what greets is no NATS server. */
  readonly state: "greets" | "refused" | "silent" | "unreachable" | "odd";
  readonly ms: number;
  readonly text?: string;
  readonly version?: string;
  readonly hasJetStream?: boolean;
  readonly demandsLogin?: boolean;
  /** The process that listens there, where this machine shows it. */
  readonly owner?: ProcessFact;
}

/** What became of a log-in with the credentials of the asked node's configuration. */
export interface LoginFact {
  readonly state: "ok" | "denied" | "failed";
  readonly text: string;
}

/** One node as another one sees it. */
export interface PeerFact {
  readonly pnn: number;
  readonly name: string;
  readonly condition: string;
  readonly flags: readonly string[];
  readonly isMember: boolean;
  readonly isVoter: boolean;
  /** Since its last heartbeat came there; undefined: none came. */
  readonly heardMsAgo?: number;
  /** How old the leader's digest is that its last heartbeat reports; undefined: none of this leader. */
  readonly reportsMsAgo?: number;
  /** When the leader last echoed its heartbeat: its lease counts from there. Only the leader says so. */
  readonly echoedMsAgo?: number;
  readonly ban?: {
    readonly why: string;
    readonly banMs: number;
    readonly count: number;
    /** Until its end; only the leader says so. */
    readonly leftMs?: number;
  };
  /** It is on its way out of the cluster: why, and what it waits for. */
  readonly leaving?: { readonly why: string; readonly step: string };
  /** What it says is wrong with it. */
  readonly why?: string;
}

/** The leader's role at a node. */
export interface LeadFact {
  readonly token: string;
  readonly phase: "persisting" | "promising" | "leading";
  readonly sinceMs: number;
  /** A majority follows it now: its digests carry leases. */
  readonly isGranting: boolean;
  readonly grantedMsAgo: number;
  readonly isEffective: boolean;
  /** A proposal that is not effective yet. */
  readonly open?: {
    readonly sinceMs: number;
    readonly isView: boolean;
    readonly waitsFor?: string;
  };
  /** A change of the view that is put off until silent members are waited out. */
  readonly deferredMs?: number;
}

/** One thing that happened at a node. */
export interface HappeningFact {
  readonly msAgo: number;
  readonly what: string;
  readonly text: string;
}

/** A node by its own word. */
export interface InsideFacts {
  /** Version of these facts, 1. */
  readonly v: number;
  readonly name: string;
  readonly cluster: string;
  readonly clusterId?: string;
  readonly pnn?: number;
  readonly wallMs: number;
  readonly runstate: string;
  readonly condition: string;
  /** In the adopted view, in its present life. */
  readonly isMember: boolean;
  readonly isServing: boolean;
  /** Negative: over for so long; undefined: it never had one in this life. */
  readonly leaseLeftMs?: number;
  /** It has accepted another view than the one it serves by. */
  readonly isFrozen: boolean;
  /** The adopted document; hash tells two of one version apart. */
  readonly document?: {
    readonly version: string;
    readonly generation: string;
    readonly hash: string;
    readonly nodes: number;
    readonly voters: number;
  };
  /** Who leads, by its signs of the last 1.2 s; its name. */
  readonly leader?: string;
  readonly isLeader: boolean;
  /** Since the last sign of a leader. */
  readonly signMsAgo: number;
  readonly lead?: LeadFact;
  readonly stand?: {
    readonly sinceMs: number;
    readonly why: string;
    readonly rounds: number;
    readonly acks: number;
    readonly rank?: number;
  };
  /** It does not stand again before this. */
  readonly holdOffLeftMs?: number;
  /** Its vote is bound to another disk than the one that it has. */
  readonly isVoteElsewhere: boolean;
  readonly bus: { readonly isUp: boolean; readonly trouble?: string };
  readonly disk: { readonly fault?: string; readonly hungMs?: number };
  readonly lock: {
    readonly kind: string;
    readonly readMsAgo: number;
    readonly holder?: string;
    /** The register shows the leader's own token. Only the leader says so. */
    readonly isOwn?: boolean;
    readonly trouble?: string;
  };
  readonly counters: {
    readonly sent: number;
    readonly received: number;
    readonly refused: Readonly<Record<string, number>>;
  };
  /** The metadata thread; undefined: it has none. */
  readonly shard?: {
    readonly isUp: boolean;
    readonly failures: number;
    readonly failedMsAgo?: number;
    readonly why?: string;
  };
  /** The data thread; undefined: it has none. */
  readonly data?: {
    readonly isUp: boolean;
    readonly failures: number;
    readonly failedMsAgo?: number;
    readonly why?: string;
    /** Those at which something waits, is held up, lacks its file, or is not open yet. */
    readonly databases: readonly DataFact[];
  };
  readonly healthWhy?: string;
  /** Other parts of the node that are not well, as event scripts; undefined: there are none. */
  readonly unwell?: readonly UnwellFact[];
  /** Checks that are not well; undefined: there are none. */
  readonly services?: readonly ServiceFact[];
  /** Public addresses; undefined: it has to do with none. */
  readonly addresses?: AddressesFact;
  /** Resources of programs; undefined: it has to do with none. */
  readonly resources?: ResourcesFact;
  readonly peers: readonly PeerFact[];
  /** Nodes that are not in `peers`, since all is well with them and there are many. */
  readonly peersLeftOut: number;
  /** The newest last. */
  readonly history: readonly HappeningFact[];
}

/** A persistent or replicated database at one node, as far as there is something to say. Nodes by their names. */
export interface CommitFact {
  /** In-sync copies that a commit needs. */
  readonly m: number;
  readonly primary?: string;
  /** Whose copies are in sync by the document; the primary's first. */
  readonly inSync: readonly string[];
  /** Others that keep a copy, or follow. */
  readonly others: readonly string[];
  readonly own: string;
  /** Of a primary. */
  readonly serving?: string;
  readonly hasBegun: boolean;
  /** The cluster was led on by force, and nobody has decided since. */
  readonly isUnsure: boolean;
  /** At the leader: what it waits for, as "for ...". */
  readonly waits?: string;
  /** What is wrong with the copy here: as a word, and as a sentence. */
  readonly cause?: string;
  readonly trouble?: string;
}

/** A part of a node that says that it is not well. */
export interface UnwellFact {
  readonly source: string;
  readonly why?: string;
  /** The last lines of what was said by what it looked at. */
  readonly tail?: readonly string[];
}

/** A check that is not well. */
export interface ServiceFact {
  readonly name: string;
  readonly kind: string;
  readonly target: string;
  readonly status: string;
  readonly isCritical: boolean;
  readonly phase: string;
  readonly failures: number;
  readonly sinceMs: number;
  readonly why?: string;
  /** The last lines of its output. */
  readonly tail?: readonly string[];
  readonly lastMsAgo?: number;
  readonly nextMs?: number;
  readonly restarts: number;
  /** The command that starts its service anew. */
  readonly restart?: string;
  readonly restartWhy?: string;
  readonly gaveUp: boolean;
}

/** A database at one node, as far as there is something to say. */
export interface DataFact {
  readonly name: string;
  /** Of a persistent or replicated one; then nothing else is said but `waiting`. */
  readonly commit?: CommitFact;
  /** Operations that wait. */
  readonly waiting: number;
  readonly slotsOpening: number;
  readonly keysQueried: number;
  /** Why it has no file there. */
  readonly noFile?: string;
  /** The record that a program holds up longest. */
  readonly heldUp?: {
    readonly key: string;
    /** The key is in hex: it is no plain text. */
    readonly isHex: boolean;
    readonly pid?: number;
    readonly ageMs: number;
  };
}

/** All that is known of one node. */
export interface NodeFacts {
  readonly name: string;
  /** It is the one that was asked, at which `ctdbx` was pointed. */
  readonly isAsked: boolean;
  readonly inside?: InsideFacts;
  /** Why there is no word of its own; undefined: there is, or nobody asked. */
  readonly silence?: string;
  readonly outside?: OutsideFacts;
  /** Its wall clock less the one of this machine, ms. */
  readonly clockAheadMs?: number;
}

/** All of it. */
export interface Facts {
  /** The asked node first. */
  readonly nodes: readonly NodeFacts[];
  /** The servers in the asked node's configuration. */
  readonly servers: readonly ServerFact[];
  readonly login?: LoginFact;
  readonly timing: Timing;
}

/** How grave a finding is. info: worth knowing, nothing is wrong. */
export type Severity = "critical" | "error" | "warning" | "info";
/** From the gravest on. */
export const SEVERITIES: readonly Severity[] = ["critical", "error", "warning", "info"];

/** What one rule found. */
export interface Found {
  /** The node that it is about; undefined: the cluster. */
  readonly node?: string;
  /** One sentence without a full stop. */
  readonly title: string;
  readonly severity: Severity;
  /** Lines with figures. */
  readonly evidence: readonly string[];
  /** What happens by itself, with the time left. */
  readonly next: readonly string[];
  /** Command lines to run, the best first. */
  readonly commands: readonly string[];
  /** Names of other nodes of which this finding explains what is explained `here`. */
  readonly explainsOf?: readonly string[];
}

/** A rule: how one cause is found, and in words for docs/EXPLAIN.md. */
export interface Rule {
  readonly id: string;
  /** The cause, for the table of causes. */
  readonly cause: string;
  /** By what it is told. */
  readonly evidence: string;
  /** What happens by itself. */
  readonly next: string;
  /** What to run. */
  readonly command: string;
  /** Ids of findings about the same node that follow from it. */
  readonly explainsHere: readonly string[];
  /** Ids of findings about any node that follow from it. */
  readonly explainsAll: readonly string[];
  readonly find: (facts: Facts) => readonly Found[];
}
