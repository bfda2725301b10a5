/**
 * What people and scripts have said of interfaces: `iface set`, `ctdb setifacelink`.
 *
 * A node with event scripts keeps it where they tell of it; one without, here.
 *
 * Does NOT promise: to outlive the daemon; and the kernel may know better: both must say that there is a link.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";

/** Interfaces that are remembered. */
export const SET_LINKS_MAX = 256;

/** Where scripts tell of interfaces. */
export interface ScriptLinks {
  readonly links: ReadonlyMap<string, boolean>;
  setLink(name: string, isUp: boolean): void;
}

/** One node's. */
export class SetLinks {
  readonly #scripts: ScriptLinks | undefined;
  readonly #own = new Map<string, boolean>();

  constructor(scripts: ScriptLinks | undefined) {
    this.#scripts = scripts;
  }

  /** Undefined: nobody has said anything. */
  get(name: string): boolean | undefined {
    return (this.#scripts?.links ?? this.#own).get(name);
  }

  /** Has somebody said that it is not to be used? */
  isDown(name: string): boolean {
    return this.get(name) === false;
  }

  /** Throws CtdbxError "limit". */
  set(name: string, isUp: boolean): void {
    if (this.#scripts !== undefined) return this.#scripts.setLink(name, isUp);
    if (!this.#own.has(name) && this.#own.size >= SET_LINKS_MAX) {
      throw new CtdbxError("limit", `Cannot note ${name}: SET_LINKS_MAX is ${SET_LINKS_MAX}`);
    }
    this.#own.set(name, isUp);
  }
}
