/**
 * A folder of event scripts, as the event daemon sees it.
 *
 *   DIR/events/legacy/10.interface.script     executable, or a link to one: enabled
 *   STOCK/legacy/10.interface.script          not run; `enable` makes a link to it
 *
 * Does NOT promise: that a script is still as it was when it is run a moment later.
 */
import type { ScriptRow } from "./wire/event_daemon.ts";

/** A script that was found. */
export interface FoundScript extends ScriptRow {
  /** Absolute path of the file in the folder of events, or in the stock. */
  readonly path: string;
}

/** What was found. */
export interface FoundScripts {
  /** In the order in which they are run; those of the stock last. */
  readonly scripts: readonly FoundScript[];
  /** What is wrong with the folder itself: no event may be run then. */
  readonly why?: string;
}

/** The folder. Its methods throw CtdbxError. */
export interface ScriptFolder {
  /** Never throws for what it finds: that is said in the rows. */
  look(): FoundScripts;
  /** Makes it run, or not, and answers how it is now. `name`: as 10.interface. Throws "not_found", "denied". */
  switch(name: string, isEnabled: boolean): FoundScript;
}
