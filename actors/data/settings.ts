/**
 * What the document says of how a database is to be used, as the record machine and its policy read it: at each use, as
 * it may change while the database is there.
 *
 *   readonly auto|on: copies to read travel    off: reads move the record       sticky on: all stay longer   off: none
 *
 * Does NOT promise: anything about safety; that rests on none of these.
 */
import type { DbCfg } from "../../transport/wire/messages/document.ts";
import type { Version } from "../../transport/wire/terms.ts";
import { LOCK_DATABASE } from "../machines/locks/value.ts";
import type { PolicyLimits } from "../machines/record/policy.ts";
import type { RecordTiming } from "../machines/record/tunables.ts";

/** The version that attached a database: as long as it is the same, it is the same database, emptied or not. */
export function attachedOf({ attached, since }: DbCfg): Version {
  return attached ?? since ?? 0n as Version;
}

/** Those of one database. */
export class Settings implements PolicyLimits {
  /** The newest that the document has. */
  cfg: DbCfg;
  readonly #timing: RecordTiming;

  constructor(cfg: DbCfg, timing: RecordTiming) {
    this.cfg = cfg;
    this.#timing = timing;
  }

  get isSticky(): boolean {
    return this.cfg.sticky === "on";
  }

  get stickyMoves(): number {
    return this.cfg.sticky === "off" ? Infinity : this.#timing.stickyMoves;
  }

  get stickyForMs(): number {
    return this.#timing.stickyForMs;
  }

  get mayDelegate(): boolean {
    return this.cfg.readonly !== "off";
  }

  get mayShip(): boolean {
    return true;
  }

  /** Calls about a lock go to its record: who maps the file says when it is to come. */
  get shipsAll(): boolean {
    return this.cfg.name === LOCK_DATABASE;
  }
}
