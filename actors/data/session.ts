/**
 * One program at this node: what it wants of databases and messages, and what it is told.
 *
 *   hello ─▶ ok { who the node is, where its files are }
 *   attach ref = NAME ─▶ ok;  op at a ref ─▶ answer | ready ─▶ done | locked ─▶ unlock ─▶ answer
 *
 * Frames of one turn of the event loop leave together. A program that breaks the protocol, or does not read, is told
 * why (`bye`) and cut off; with its connection all that it holds ends.
 *
 * Does NOT promise: that a program hears how an operation ended; its connection may be gone.
 */
import { atOf, codeOf, timeOf, wishOf } from "./session_words.ts";
import { SessionAsks } from "./session_asks.ts";
import { SessionMessages } from "./session_messages.ts";
import type { SessionLink, SessionParts } from "./session_parts.ts";
import { SessionRefs } from "./session_refs.ts";
import { SessionTxns } from "./session_tx.ts";
import type { DatabaseHost, DatabaseNews, OpEnd } from "./types.ts";
import type { ProgramItem } from "../machines/messages/events.ts";
import {
  readOp,
  readPost,
  readRan,
  readTraverse,
  readUnlock,
  WISH,
  writeAnswer,
  writeEnd,
  writeLocked,
} from "../../transport/wire/client/bodies.ts";
import type { AnswerBody, RanBody } from "../../transport/wire/client/bodies.ts";
import {
  CLIENT_PROTOCOL,
  FRAME,
  FrameReader,
  FrameWriter,
} from "../../transport/wire/client/frames.ts";
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { StreamEvents } from "../../transport/world.ts";

/** Operations and traverses of one program that have not ended. */
export const SESSION_OPS_MAX = 16_384;
/** Bytes that wait for a program that does not read; then it is cut off. 48 MiB, and one frame. */
export const SESSION_WAITING_MAX: number = 48 * 1024 * 1024;
/** When so many bytes wait, reads are refused, and traverses end: one that reads may ask again. 24 MiB. */
export const SESSION_FULL: number = 24 * 1024 * 1024;
/** What a program is told then. */
const FULL = "more waits for this program than it reads: ask for less at a time";
/** Frames that wait are handed on when they have so many bytes, within a turn. */
const FLUSH_BYTES = 256 * 1024;

interface Running {
  readonly database: DatabaseHost;
  /** May its answer be left out? */
  readonly isRead: boolean;
  /** Its number in the database; -1 until the database has said it. */
  id: number;
  /** It was told `ready`: nothing more comes from the database. */
  isReady: boolean;
}

const NO_ANSWER = { outcome: "ok", why: "", result: undefined, at: undefined } as const;

/** One program's. */
export class Session implements StreamEvents {
  readonly parts: SessionParts;
  /** Its number at all databases. */
  readonly client: number;
  readonly writer = new FrameWriter();
  readonly refs = new SessionRefs();
  readonly messages: SessionMessages;
  readonly txns: SessionTxns;
  readonly #link: SessionLink;
  readonly #asks: SessionAsks;
  readonly #ops = new Map<number, Running>();
  readonly #reader: FrameReader;
  readonly #runs = new Map<number, (ran: RanBody) => void>();
  #nextRun = 1;
  /** Process id, as the system or, where it does not say, the program says. */
  pid = 0;
  /** What the program calls itself. */
  program = "";
  #isGreeted = false;
  #isClosed = false;
  #willFlush = false;

  constructor(parts: SessionParts, link: SessionLink) {
    this.parts = parts;
    this.#link = link;
    this.client = parts.host.newClient();
    this.messages = new SessionMessages(this);
    this.txns = new SessionTxns(this);
    this.#asks = new SessionAsks(this);
    this.#reader = new FrameReader((kind, id, body) => this.#take(kind, id, body));
  }

  /** Process id, as the system says it; undefined: it does not. */
  get callerPid(): number | undefined {
    return this.#link.caller?.pid;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Does more wait for the program than it reads? */
  get isFull(): boolean {
    return this.writer.size + this.#link.waiting > SESSION_FULL;
  }

  /** Operations that have not ended. */
  get running(): number {
    return this.#ops.size + this.txns.running;
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#reader.add(bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) {
        this.parts.log.write("error", "A frame of a program could not be taken", { error });
      }
      this.refuse(
        "state",
        `Cannot take a frame: ${error instanceof Error ? error.message : error}`,
      );
    }
    this.flush();
  }

  /** The connection has ended: so has all that the program held. */
  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { program } = this.messages;
    this.#asks.end();
    this.txns.end();
    this.messages.end();
    for (const end of [...this.#runs.values()]) end({ ok: false, why: "the program has ended" });
    this.#runs.clear();
    this.#ops.clear();
    this.parts.host.clientDied(this.client);
    this.parts.onEnd(this, program);
  }

  /** Says why, and ends the connection. */
  refuse(code: ErrorCode, text: string): void {
    if (this.#isClosed) return;
    this.writer.json(FRAME.bye, 0, { code, text });
    this.flush();
    if (this.#isClosed) return;
    this.#link.close();
    this.onClose();
  }

  /** What was written leaves at the end of this turn, or at once if it is much. */
  sent(): void {
    if (this.writer.size >= FLUSH_BYTES) return this.flush();
    if (this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(() => {
      this.#willFlush = false;
      this.flush();
    });
  }

  /** Hands on what was written. */
  flush(): void {
    const { writer } = this;
    if (writer.size === 0) return;
    const bytes = writer.take();
    if (this.#isClosed) return;
    this.#link.send(bytes);
    if (this.#link.waiting <= SESSION_WAITING_MAX) return;
    this.parts.log.write("warning", "A program does not read what it asked for; it is cut off", {
      pid: this.pid,
      program: this.program,
    });
    // No word: it would wait behind all that is not read.
    this.#link.close();
    this.onClose();
  }

  /** A database went, or came. */
  onDatabase(news: DatabaseNews): void {
    for (const told of this.refs.news(news)) {
      this.writer.json(FRAME.database, 0, told);
      this.sent();
    }
  }

  /** Items for the program of this session. */
  deliver(items: readonly ProgramItem[]): void {
    if (!this.#isClosed) this.messages.deliver(items);
  }

  /** Has the program run one of its procedures; how it went, or that it has ended. */
  run(write: (id: number) => void, end: (ran: RanBody) => void): () => void {
    const id = this.#nextRun;
    this.#nextRun = id === 0xffff_ffff ? 1 : id + 1;
    this.#runs.set(id, end);
    write(id);
    this.sent();
    return () => void this.#runs.delete(id);
  }

  #take(kind: number, id: number, body: FrameBody): void {
    if (this.#isClosed) return;
    if (!this.#isGreeted) return this.#greet(kind, id, body);
    if (this.txns.take(kind, id, body)) return;
    switch (kind) {
      case FRAME.op:
        return this.#onOp(id, body);
      case FRAME.done: {
        const running = this.#ops.get(id);
        this.#ops.delete(id);
        return running?.database.done(running.id);
      }
      case FRAME.unlock: {
        const running = this.#ops.get(id);
        return running?.database.unlock(running.id, readUnlock(body));
      }
      case FRAME.cancel: {
        const running = this.#ops.get(id);
        if (running?.isReady === true) this.#ops.delete(id);
        return running?.database.cancel(running.id);
      }
      case FRAME.emptied: {
        const database = this.refs.at(id);
        return typeof database === "string" ? undefined : database.emptied(body.key());
      }
      case FRAME.traverse:
        return this.#onTraverse(id, body);
      case FRAME.more: {
        const running = this.#ops.get(id);
        return running?.database.more(running.id, body.u32());
      }
      case FRAME.post:
        return this.messages.post(id, readPost(body));
      case FRAME.took:
        return this.messages.took(body.u32(), body.u32());
      case FRAME.ran: {
        const end = this.#runs.get(id);
        this.#runs.delete(id);
        return end?.(readRan(body));
      }
      case FRAME.ask:
        return this.#asks.take(id, body.json());
    }
    throw new RangeError(`no such kind of frame: ${kind}`);
  }

  #greet(kind: number, id: number, body: FrameBody): void {
    if (kind !== FRAME.hello) throw new RangeError("the first frame must be hello");
    const { protocol, pid, program } = body.json();
    if (protocol !== CLIENT_PROTOCOL) {
      const text = `this node speaks protocol ${CLIENT_PROTOCOL}, the program ${protocol}`;
      return this.refuse("version", `Cannot serve the program: ${text}; use the same release`);
    }
    const { node } = this.parts.host;
    if (node.pnn === undefined || node.incarnation === undefined) {
      return this.refuse("busy", "Cannot serve the program: the node is in no cluster yet");
    }
    this.#isGreeted = true;
    const said = typeof pid === "number" && Number.isInteger(pid) && pid > 0 ? pid : 0;
    this.pid = this.#link.caller?.pid ?? said;
    this.program = typeof program === "string" ? program.slice(0, 64) : "";
    this.messages.open();
    this.parts.onGreeted(this);
    const { version, files } = this.parts;
    const { pnn, name, cluster, incarnation, nodeId } = node;
    const answer = { pnn, name, cluster, incarnation, nodeId, version, files };
    this.writer.json(FRAME.ok, id, answer);
    this.sent();
  }

  #onOp(id: number, body: FrameBody): void {
    const { ref, timeoutMs, wish, key, procedure, args } = readOp(body);
    const database = this.#place(id, ref, FRAME.answer);
    if (database === undefined) return;
    const isRead = wish === WISH.read;
    const running: Running = { database, isRead, id: -1, isReady: false };
    this.#ops.set(id, running);
    const deadlineMs = this.parts.clock.nowMs() + timeOf(timeoutMs);
    const onEnd = (end: OpEnd) => this.#onEnd(id, running, end);
    running.id = database.op(this.client, key, wishOf(wish, procedure, args), deadlineMs, onEnd);
  }

  #onEnd(id: number, running: Running, end: OpEnd): void {
    if (this.#ops.get(id) !== running) return;
    const { writer } = this;
    switch (end.what) {
      case "ready":
        running.isReady = true;
        writer.begin(FRAME.ready, id).end();
        return this.sent();
      case "locked":
        writeLocked(writer, id, atOf(end.at), end.data);
        return this.sent();
      case "answer": {
        this.#ops.delete(id);
        const { outcome, code, why = "", result, at } = end;
        if (running.isRead && this.isFull) {
          writeAnswer(writer, id, { ...NO_ANSWER, outcome: "failed", why: `limit ${FULL}` });
          return this.sent();
        }
        writeAnswer(writer, id, {
          outcome,
          why: outcome === "ok" ? "" : `${codeOf(outcome, code, why)} ${why}`,
          result,
          at: at === undefined ? undefined : atOf(at),
        });
        return this.sent();
      }
    }
  }

  /** Where something new may begin; undefined: nowhere, and the program is told. */
  #place(id: number, ref: number, kind: number): DatabaseHost | undefined {
    if (id === 0 || this.#ops.has(id)) throw new RangeError(`the id ${id} is in use`);
    const found = this.#ops.size >= SESSION_OPS_MAX
      ? `limit SESSION_OPS_MAX is ${SESSION_OPS_MAX}`
      : this.refs.at(ref);
    if (typeof found !== "string") return found;
    const failed: AnswerBody = { ...NO_ANSWER, outcome: "failed", why: found };
    if (kind === FRAME.answer) writeAnswer(this.writer, id, failed);
    else writeEnd(this.writer, id, { outcome: "failed", count: 0, why: found });
    this.sent();
    return undefined;
  }

  #onTraverse(id: number, body: FrameBody): void {
    const { ref, timeoutMs, isCount, credit, prefix } = readTraverse(body);
    const database = this.#place(id, ref, FRAME.end);
    if (database === undefined) return;
    const running: Running = { database, isRead: true, id: -1, isReady: false };
    this.#ops.set(id, running);
    const deadlineMs = this.parts.clock.nowMs() + timeOf(timeoutMs);
    const isOn = () => this.#ops.get(id) === running;
    running.id = database.traverse(this.client, { prefix, isCount, credit, deadlineMs }, {
      record: (key, data) => {
        if (!isOn()) return;
        if (this.isFull) {
          this.#ops.delete(id);
          writeEnd(this.writer, id, { outcome: "failed", count: 0, why: `limit ${FULL}` });
          this.sent();
          return queueMicrotask(() => database.cancel(running.id));
        }
        this.writer.begin(FRAME.record, id).key(key);
        if (data !== undefined) this.writer.bytes(data);
        this.writer.end();
        this.sent();
      },
      end: (outcome, count, why = "") => {
        if (!isOn()) return;
        this.#ops.delete(id);
        const said = outcome === "ok" ? "" : `${codeOf(outcome, undefined, why)} ${why}`;
        writeEnd(this.writer, id, { outcome, count, why: said });
        this.sent();
      },
    });
  }

  /** An error as the answer to a question. */
  failed(id: number, error: unknown): void {
    if (!(error instanceof CtdbxError)) {
      this.parts.log.write("error", "A question of a program has failed", { error });
    }
    const code = error instanceof CtdbxError ? error.code : "io";
    const text = error instanceof Error ? error.message : String(error);
    this.writer.json(FRAME.error, id, { code, text });
    this.sent();
  }
}
