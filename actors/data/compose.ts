/**
 * Puts the parts of a data thread together.
 *
 *   Post (class r) ─┬─ RecordMail ── Databases          Messages ─┬─ Sessions, for programs
 *                   └─ Messages                                   └─ Watches
 *
 * Does NOT promise: that anything listens yet; the shard starts it.
 */
import { Codec } from "../../transport/wire/codec.ts";
import type { Received } from "../../transport/wire/codec.ts";
import type { Document, Member } from "../../transport/wire/messages/document.ts";
import { PROGRAM_PUBLICATION_MAX } from "../../transport/wire/messages/program.ts";
import type { RecordBatch } from "../../transport/wire/record_layout.ts";
import type { Generation, Incarnation, NodeId, Pnn } from "../../transport/wire/terms.ts";
import type { World } from "../../transport/world.ts";
import type { DataAsks } from "../data_link.ts";
import type { ProgramItem } from "../machines/messages/events.ts";
import type { Procedure } from "../machines/record/procedures.ts";
import type { RecordTiming } from "../machines/record/tunables.ts";
import { LOCK_PROCEDURE, lockProcedure } from "../machines/locks/procedure.ts";
import { LOCK_DATABASE } from "../machines/locks/value.ts";
import { Messages } from "../messages.ts";
import { Post, type RawMail } from "../post.ts";
import { CommitDatabases, type CommitSettings } from "./commit_databases.ts";
import { CommitMail } from "./commit_mail.ts";
import { Host } from "./data_host.ts";
import { Databases } from "./databases.ts";
import { LockDesk } from "./lock_desk.ts";
import { RecordMail, type RecordMailParts } from "./mail.ts";
import { PageLook } from "./page.ts";
import { Procedures } from "./procedures.ts";
import { SessionMail } from "./session_mail.ts";
import { Sessions } from "./sessions.ts";
import type { DataStart } from "./types.ts";
import { Watches } from "./watches.ts";

/** The parts. */
export interface Running {
  readonly start: DataStart;
  readonly asks: DataAsks;
  readonly codec: Codec;
  readonly page: PageLook;
  readonly post: Post;
  /** Sends what is for another node's main thread; hears nothing. */
  readonly mainPost: Post;
  readonly mail: RecordMail;
  readonly commitMail: CommitMail;
  readonly messages: Messages;
  readonly watches: Watches;
  readonly locks: LockDesk;
  readonly databases: Databases;
  /** The persistent and replicated ones. */
  readonly commits: CommitDatabases;
  readonly host: Host;
  readonly sessions: Sessions;
  /** Programs that use the bus alone. */
  readonly sessionMail: SessionMail;
}

/** What the parts are made with. */
export interface ComposeParts {
  readonly world: World;
  readonly start: DataStart;
  readonly asks: DataAsks;
  readonly procedures: ReadonlyMap<string, Procedure>;
  readonly timing: RecordTiming;
  readonly commits: CommitSettings;
  readonly on: ComposeEvents;
}

/** What the parts ask, and tell. */
export interface ComposeEvents {
  readonly doc: () => Document | undefined;
  readonly life: () => Incarnation | undefined;
  readonly nodeOf: (pnn: Pnn) => NodeId | undefined;
  readonly onMessage: (received: Received) => void;
  readonly onRaw: (raw: RawMail) => void;
  readonly onBatch: (batch: RecordBatch) => void;
  /** Another node's main thread is to be asked for its document, or told this one's. */
  readonly tellMain: (pnn: Pnn, what: "ask" | "tell") => void;
  readonly onBreach: (number: string, why: string, life: Member | undefined) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Makes all of them. */
export function compose(parts: ComposeParts): Running {
  const { world, start, asks, on } = parts;
  const { clock, images, log } = world;
  const { codec, post, mainPost } = posts(parts);
  const page = new PageLook(images, start.pagePath);
  const mail = mailOf(parts, post);
  const { commits, commitMail } = commitsOf(parts, post);
  // They need each other: what comes is handed on when all are there.
  const later: { deliver?: Deliver; sessions?: Sessions } = {};
  const messages = messagesOf(parts, post, later);
  const procedures = new Procedures(new Map([...parts.procedures, LOCKING]));
  const watches: Watches = new Watches({
    self: start.nodeId,
    pid: world.host.pid,
    clock,
    messages,
    databases: () => databases.all(),
  });
  const locks: LockDesk = new LockDesk({
    ...{ pid: world.host.pid, clock, messages, nodeOf: on.nodeOf },
    host: () => host,
  });
  const databases = databasesOf(parts, { page, mail, procedures, watches, locks });
  const host: Host = new Host({
    ...{ start, clock, messages, databases, commits, procedures, watches, locks, asks },
    life: on.life,
    doc: on.doc,
    isServing: () => clock.nowMs() < page.look(),
  });
  const sessions = new Sessions({ host, clock, log, version: start.programVersion });
  later.sessions = sessions;
  const sessionMail = new SessionMail({
    ...{ host, sessions, clock },
    answer: (reply, payload) => post.answerRaw(reply, payload),
    payloadMax: () => world.bus.payloadMax,
  });
  later.deliver = (program, items) => {
    if (watches.has(program)) watches.deliver(items);
    else if (locks.has(program)) locks.deliver(items);
    else sessions.deliver(program, items);
  };
  databases.watch(({ what, database }) => {
    if (what === "came") watches.came(database);
    else watches.went(database, database.overWhy);
  });
  return {
    ...{ start, asks, codec, page, post, mainPost, mail, messages, watches, databases },
    ...{ host, sessions, sessionMail, locks, commits, commitMail },
  };
}

const LOCKING = [LOCK_PROCEDURE, lockProcedure] as const;

type Deliver = (program: number, items: readonly ProgramItem[]) => void;

function wide({ dice }: World): bigint {
  return (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
}

function posts({ world, start, on }: ComposeParts): Pick<Running, "codec" | "post" | "mainPost"> {
  const { bus, clock, log } = world;
  const { cluster, nodeId: own, level } = start;
  const known = level === undefined ? {} : { level };
  const codec = new Codec({ cluster, own, firstId: wide(world), ...known });
  codec.clusterId = start.clusterId;
  const stamps = () => ({ gen: on.doc()?.generation ?? 0n as Generation, stamp: 0n });
  const basic = { bus, clock, log, codec, cluster, own, stamps };
  const { onMessage, onRaw } = on;
  const post = new Post({ ...basic, mail: "r", onMessage: (got) => onMessage(got), onRaw });
  return { codec, post, mainPost: new Post({ ...basic, onMessage: () => {} }) };
}

function mailPartsOf(
  { world, start, on }: ComposeParts,
  post: Post,
): Omit<RecordMailParts, "onBatch"> {
  return {
    self: start.nodeId,
    bus: world.bus,
    clock: world.clock,
    firstId: wide(world),
    nodeOf: on.nodeOf,
    publish: (to, payload) => post.sendRaw(to, payload),
    onRefused: (refused) => post.refuse(refused),
    onTooLong: (error) => world.log.write("error", "A batch cannot be sent", { error }),
  };
}

function mailOf(parts: ComposeParts, post: Post): RecordMail {
  return new RecordMail({ ...mailPartsOf(parts, post), onBatch: parts.on.onBatch });
}

function commitsOf(parts: ComposeParts, post: Post): Pick<Running, "commits" | "commitMail"> {
  const { world, start, asks } = parts;
  const { disk, images, syncs, clock, log } = world;
  const commits = new CommitDatabases({
    ...{ disk, images, syncs, clock, log, nodeId: start.nodeId, folder: start.stateFolder },
    random: () => wide(world),
    settings: parts.commits,
    mail: () => commitMail,
    tell: (what, text) => {
      asks.note(what, text).catch((error) => log.write("debug", "It cannot be told", { error }));
    },
    propose: (change, timeoutMs) => asks.commit(change, timeoutMs),
  });
  const commitMail: CommitMail = new CommitMail({
    ...mailPartsOf(parts, post),
    onBatch: (batch) => commits.take(batch),
  });
  return { commits, commitMail };
}

function messagesOf(
  { world, start, on }: ComposeParts,
  post: Post,
  later: { deliver?: Deliver; sessions?: Sessions },
): Messages {
  const { clock, dice, log } = world;
  return new Messages({
    self: start.nodeId,
    clock,
    log,
    publicationMax: PROGRAM_PUBLICATION_MAX,
    firstAsk: 1 + dice.below(0xffff_ffff),
    publish: (to, payload) => post.sendRaw(to, payload),
    tell: (to, message) => to === "all" ? post.publish("all", message) : post.send([to], message),
    deliver: (program, items) => later.deliver?.(program, items),
    onRefused: (program, code, text) => later.sessions?.refused(program, code, text),
    onBadPublication: (refused) => post.refuse(refused),
    onFailure: on.onFailure,
  });
}

function databasesOf(
  { world, start, timing, on }: ComposeParts,
  { page, mail, procedures, watches, locks }: {
    readonly page: PageLook;
    readonly mail: RecordMail;
    readonly procedures: Procedures;
    readonly watches: Watches;
    readonly locks: LockDesk;
  },
): Databases {
  const { clock, disk, images, log } = world;
  const { nodeId, folder } = start;
  return new Databases({
    ...{ nodeId, folder, disk, images, clock, page, procedures, timing },
    send: (database, to, generation, messages) => {
      const by = database.machine.state.me;
      if (by === undefined) return;
      const { cfg: { dbId }, since } = database;
      mail.send({ dbId, since, by, to, generation }, messages);
    },
    heldOf: (name) => name === LOCK_DATABASE ? locks : undefined,
    isWatched: (epoch, key) => watches.interests.isWatched(epoch, key),
    onWrote: (database, key, data, at) => watches.wrote(database, key, data, at),
    viewAsk: ({ pnn }) => on.tellMain(pnn, "ask"),
    viewTell: ({ pnn }) => on.tellMain(pnn, "tell"),
    onBreach: (number, why, life) => {
      log.write("error", `A record machine objects: ${number}: ${why}`, { ...life });
      on.onBreach(number, why, life);
    },
    onFailure: on.onFailure,
  });
}
