/**
 * What the session of a program is made of.
 *
 * Does NOT promise: anything of its own.
 */
import type { Caller, Clock, Log } from "../../transport/world.ts";
import type { Session } from "./session.ts";
import type { DataHost } from "./types.ts";

/** How a session reaches its program. */
export interface SessionLink {
  /** Hands bytes over; they are good until it returns. */
  send(bytes: Uint8Array): void;
  /** Bytes that were handed over and not taken yet. */
  readonly waiting: number;
  close(): void;
  /** The process at the other end, where the system says it. */
  readonly caller?: Caller | undefined;
}

/** Where the files of a node are, for programs of its machine. */
export interface SessionFiles {
  readonly pagePath: string;
  readonly folder: string;
}

/** What all sessions share. */
export interface SessionParts {
  readonly host: DataHost;
  readonly clock: Clock;
  readonly log: Log;
  /** The version of this program, for those that ask. */
  readonly version: string;
  /** Undefined for programs that are not on this machine. */
  readonly files: SessionFiles | undefined;
  /** Offers a procedure of a program. Throws. Answers how to end it. */
  readonly offer: (name: string, session: Session, limitMs: number) => () => void;
  /** It has said hello; `messages.program` is its number. */
  readonly onGreeted: (session: Session) => void;
  /** It has ended, with the number that it had. */
  readonly onEnd: (session: Session, program: number) => void;
}
