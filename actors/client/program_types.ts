/**
 * Work that runs where a record is: procedures of programs, and classes whose objects are records.
 *
 * Does NOT promise: which program runs it; any that offers it at the record's node.
 */
import type { KEEP, OpOptions, ValueLike } from "./types.ts";

/** What a procedure makes of a record. */
export interface Proceeded {
  /** The new value; undefined: the record is deleted; absent or KEEP: as it was. */
  readonly value?: ValueLike | undefined | typeof KEEP;
  /** What the caller gets; default nothing. */
  readonly result?: ValueLike;
}

/**
 * A procedure of a program: runs while the record is locked. A throw is a refusal: nothing is stored, and the caller
 * gets its message.
 */
export type ProcedureCode = (
  value: Uint8Array | undefined,
  args: Uint8Array,
  key: Uint8Array,
) => Proceeded | Promise<Proceeded>;

/** A procedure that is registered, until it is closed. */
export interface Registration extends AsyncDisposable {
  readonly name: string;
  close(): Promise<void>;
}

/** A class whose objects are the states of records. */
export interface ActorClass<State extends object> {
  /** Rises with each change of what methods do or of what the state holds. */
  readonly version?: number;
  /** What tells its code from that of others, in place of its text; see ProcedureOptions. */
  readonly code?: string;
  readonly name: string;
  new (): State;
}

/** How a procedure is offered. */
export interface ProcedureOptions {
  /** A run that takes longer is a refusal, and the record is free again, ms. Default 1000. */
  readonly timeoutMs?: number;
  /**
   * What tells its code from other code, as a version of its file. Without it that is its text, which can be compared
   * only with programs of the same runtime.
   */
  readonly code?: string;
}

/** The methods of a class, called where the record is. */
export type ActorProxy<State extends object> = {
  readonly [
    Name in keyof State as State[Name] extends (...args: never[]) => unknown ? Name : never
  ]: State[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** Of an actor. */
export interface ActorOptions extends OpOptions {
  /** The database of its record. Default "actors". */
  readonly database?: string;
}
