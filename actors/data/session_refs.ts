/**
 * The databases that one program has attached, each under a number of the program's.
 *
 *   attach ─▶ ref ── emptied: the next epoch takes its place ──▶ ref
 *               '── detached: the ref ends; whoever attaches a database of that name later gets another one
 *
 * Does NOT promise: that a database is there; `at` says it.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Version } from "../../transport/wire/terms.ts";
import { attachedOf } from "./settings.ts";
import type { DatabaseHost, DatabaseNews } from "./types.ts";

/** Databases that one program has attached. */
export const SESSION_REFS_MAX = 1024;

/** A database as a program has named it. */
export interface SessionRef {
  readonly name: string;
  /** Undefined: it is not here yet, or not just now. */
  database: DatabaseHost | undefined;
  /** The version that attached it; undefined: it is not known yet. */
  attached: Version | undefined;
}

/** What a program is told of a ref; without `since` it has ended. */
export interface RefNews {
  readonly ref: number;
  readonly since?: Version;
}

/** One program's. */
export class SessionRefs {
  readonly #byRef = new Map<number, SessionRef>();

  /** The names of all of them. */
  names(): string[] {
    return [...this.#byRef.values()].map(({ name }) => name);
  }

  /** Enters one that is being attached. `attached`: the program had it by another connection. Throws "limit". */
  begin(ref: number, name: string, attached?: Version): SessionRef {
    if (this.#byRef.size >= SESSION_REFS_MAX && !this.#byRef.has(ref)) {
      throw new CtdbxError("limit", `Cannot attach: SESSION_REFS_MAX is ${SESSION_REFS_MAX}`);
    }
    const made: SessionRef = { name, database: undefined, attached };
    this.#byRef.set(ref, made);
    return made;
  }

  /** A database of the name is here. Throws "state": the one that is meant was detached. */
  come(ref: number, made: SessionRef, database: DatabaseHost): DatabaseHost {
    if (made.database === undefined && isOf(made, database)) set(made, database);
    if (this.#byRef.get(ref) === made && made.database !== undefined) return made.database;
    this.drop(ref, made);
    throw new CtdbxError("state", `Cannot use the database: ${detached(made.name)}`);
  }

  /** Ends a ref; `made`: unless it is another one by now. */
  drop(ref: number, made?: SessionRef): void {
    if (made === undefined || this.#byRef.get(ref) === made) this.#byRef.delete(ref);
  }

  /** The database of a ref, or a code and a text: why there is none. */
  at(ref: number): DatabaseHost | string {
    const known = this.#byRef.get(ref);
    if (known === undefined) return `state ${detached(undefined)}`;
    return known.database ?? `busy database ${known.name} is not here just now; try again`;
  }

  /** A database came, or went. What the program is to be told. */
  news({ what, database, isEmptied = false }: DatabaseNews): RefNews[] {
    const told: RefNews[] = [];
    for (const [ref, known] of this.#byRef) {
      if (known.name !== database.cfg.name) continue;
      if (what === "came") {
        if (!isOf(known, database)) continue;
        set(known, database);
        told.push({ ref, since: database.since });
      } else if (known.database === database) {
        known.database = undefined;
        if (isEmptied) continue;
        this.#byRef.delete(ref);
        told.push({ ref });
      }
    }
    return told;
  }
}

/** Is it the one that the ref has, or may have? */
function isOf({ attached }: SessionRef, { cfg }: DatabaseHost): boolean {
  return attached === undefined || attached === attachedOf(cfg);
}

function set(known: SessionRef, database: DatabaseHost): void {
  known.database = database;
  known.attached = attachedOf(database.cfg);
}

function detached(name: string | undefined): string {
  const which = name === undefined ? "it" : `database ${name}`;
  return `${which} was detached; attach it anew`;
}
