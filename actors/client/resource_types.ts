/**
 * Resources, as programs see them: names that one program of the cluster owns at a time.
 *
 * Does NOT promise: to stop a program whose ownership has ended; it hears of it, and `isOwned` says so at once.
 */
import type { CtdbxError } from "../../transport/wire/errors.ts";
import type { LockToken } from "./lock_types.ts";

/** How a resource is offered. */
export interface ResourceOptions {
  /**
   * The program owns it now. What is done with it may go on in here until `signal` is aborted, or go on after it has
   * resolved. If it throws while it owns it, the resource is given back, and to this program not again for 10 s.
   */
  readonly onTake?: (owned: Ownership) => void | Promise<void>;
  /**
   * It is to be given up, or is lost already (`owned.isOwned`): `signal` is aborted, `onTake` has ended. Nobody else
   * owns it before this has resolved, or `owned.leftMs` is over, whichever comes first.
   */
  readonly onRelease?: (owned: Ownership) => void | Promise<void>;
  /**
   * `signal` is aborted so long before the end of the lease, when that was not extended, ms: 0 to 1000. Default 250.
   */
  readonly earlyMs?: number;
  /** How long the node may take to know of the offer, ms; default that of the connection. */
  readonly timeoutMs?: number;
}

/** The time in which a program owns a resource. */
export interface Ownership {
  readonly name: string;
  /** Is it owned now? By the clock, at the moment of asking: never true when another program may own it. */
  readonly isOwned: boolean;
  /** How long it is owned yet if the node does not extend it, which it does twice a second, ms; 0: no more. */
  readonly leftMs: number;
  /** Aborted when it is to be given up, is lost, or was not extended in time. */
  readonly signal: AbortSignal;
  /**
   * A fencing token: that of a cluster lock which is made for it, once in an ownership. Every token of a later
   * ownership is greater than all of earlier ones; so a store that keeps the greatest it has seen refuses who owns it
   * no more and does not know. Rejects with "state" when it is not owned any more, and with "timeout".
   */
  token(): Promise<LockToken>;
}

/** A resource that a program offers to own. */
export interface Resource extends AsyncDisposable {
  readonly name: string;
  /** Does this program own it now? By the clock, at the moment of asking. */
  readonly isOwned: boolean;
  /** The present ownership; undefined: there is none. */
  readonly ownership: Ownership | undefined;
  /** That of the present ownership, or else of the last one; aborted when there was none yet. */
  readonly signal: AbortSignal;
  /**
   * Why the node did not take the offer when the connection was made again, as with "limit"; it is asked again each
   * second. Undefined: it took it, or was not reached yet.
   */
  readonly refusal: CtdbxError | undefined;
  /** Gives it up, when `onRelease` has ended, and offers it no more. Idempotent. */
  close(): Promise<void>;
}
