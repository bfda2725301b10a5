/**
 * The programs of a node: a session for each connection, and the procedures that they offer.
 *
 *   socket ── Session ──┐
 *   NATS ──── Session ──┴─▶ DataHost: databases, messages, watches          procedure ─▶ one of those that offer it
 *
 * Does NOT promise: fairness between programs; the record machine has its own.
 */
import { writeRun } from "../../transport/wire/client/bodies.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { Clock, Log, StreamEvents } from "../../transport/world.ts";
import type { ProgramItem } from "../machines/messages/events.ts";
import type { SessionFiles, SessionLink, SessionParts } from "./session_parts.ts";
import { Session } from "./session.ts";
import type { DatabaseNews, DataHost, ExternalCall, ExternalRan } from "./types.ts";

/** Connections at a time. */
export const SESSIONS_MAX = 4096;

/** What sessions need. */
export interface SessionsParts {
  readonly host: DataHost;
  readonly clock: Clock;
  readonly log: Log;
  /** The version of this program, for those that ask. */
  readonly version: string;
}

/** What is known of a program that is connected. */
export interface SessionStatus {
  readonly client: number;
  readonly pid: number;
  readonly program: string;
  /** "local": over the socket; "nats". */
  readonly way: "local" | "nats";
  readonly databases: readonly string[];
  /** Operations that have not ended. */
  readonly running: number;
}

/** Who offers a procedure. */
interface Offer {
  /** In the order of coming, with how long a run may take. */
  readonly sessions: Map<Session, number>;
  readonly end: () => void;
}

/** All programs of one node. */
export class Sessions {
  readonly #parts: SessionsParts;
  readonly #sessions = new Map<Session, "local" | "nats">();
  /** By their numbers as programs that get messages. */
  readonly #programs = new Map<number, Session>();
  readonly #offers = new Map<string, Offer>();
  readonly #endNews: () => void;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#endNews = parts.host.onDatabase((news) => this.#onDatabase(news));
  }

  /** A program has connected to the socket. */
  open(link: SessionLink): StreamEvents {
    const { pagePath, folder } = this.#parts.host.node;
    return this.openAs(link, "local", { pagePath, folder });
  }

  /** A program has connected; without `files` it is on another machine. */
  openAs(link: SessionLink, way: "local" | "nats", files: SessionFiles | undefined): Session {
    const { host, clock, log, version } = this.#parts;
    const parts: SessionParts = {
      host,
      clock,
      log,
      version,
      files,
      offer: (name, by, limitMs) => this.#offer(name, by, limitMs),
      onGreeted: (greeted) => void this.#programs.set(greeted.messages.program, greeted),
      onEnd: (ended, program) => {
        this.#sessions.delete(ended);
        this.#programs.delete(program);
      },
    };
    const session = new Session(parts, link);
    this.#sessions.set(session, way);
    if (this.#sessions.size > SESSIONS_MAX) {
      session.refuse("limit", `Cannot serve the program: SESSIONS_MAX is ${SESSIONS_MAX}`);
    }
    return session;
  }

  /** Messages for a program. */
  deliver(program: number, items: readonly ProgramItem[]): void {
    this.#programs.get(program)?.deliver(items);
  }

  /** Something that a program has posted was not accepted: it is told so. */
  refused(program: number, code: ErrorCode, text: string): void {
    this.#programs.get(program)?.messages.refused(code, text);
  }

  /** The programs that are connected. */
  status(): SessionStatus[] {
    return [...this.#sessions].map(([session, way]) => ({
      client: session.client,
      pid: session.pid,
      program: session.program,
      way,
      databases: session.refs.names(),
      running: session.running,
    }));
  }

  /** The node ends: every program is told, and cut off. */
  stop(): void {
    this.#endNews();
    for (const session of [...this.#sessions.keys()]) {
      session.refuse("state", "The connection has ended: the node stops");
    }
  }

  #onDatabase(news: DatabaseNews): void {
    for (const session of this.#sessions.keys()) session.onDatabase(news);
  }

  #offer(name: string, session: Session, limitMs: number): () => void {
    const known = this.#offers.get(name);
    const offer = known ?? {
      sessions: new Map<Session, number>(),
      end: this.#parts.host.registerProcedure(
        name,
        (call, hostMs) => this.#run(name, call, hostMs),
      ),
    };
    this.#offers.set(name, offer);
    offer.sessions.set(session, limitMs);
    return () => {
      offer.sessions.delete(session);
      if (offer.sessions.size > 0 || this.#offers.get(name) !== offer) return;
      this.#offers.delete(name);
      offer.end();
    };
  }

  /** Runs a procedure in one of the programs that offer it: in turn. */
  #run(name: string, call: ExternalCall, hostMs: number): Promise<ExternalRan> {
    const sessions = this.#offers.get(name)?.sessions;
    const next = sessions?.entries().next().value;
    if (sessions === undefined || next === undefined) {
      return Promise.resolve({ ok: false, why: "no program offers it any more" });
    }
    const [session, ownMs] = next;
    sessions.delete(session);
    sessions.set(session, ownMs);
    const { key, data, args } = call;
    return new Promise((resolve) => {
      const limitMs = Math.min(ownMs, hostMs);
      const late = this.#parts.clock.after(limitMs, () => {
        forget();
        resolve({ ok: false, why: `the program took longer than ${limitMs} ms` });
      });
      const forget = session.run(
        (id) => writeRun(session.writer, id, { procedure: name, data, args }, key),
        (ran) => {
          late();
          resolve(ran.ok ? { ok: true, result: ran.result, ...dataOf(ran.data) } : ran);
        },
      );
    });
  }
}

function dataOf(data: Uint8Array | undefined): { readonly data?: Uint8Array } {
  return data === undefined ? {} : { data };
}
