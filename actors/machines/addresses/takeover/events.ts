/**
 * What goes into the takeover machine and what comes out, as data.
 *
 *   life, adopted, lease, offer, health, message, done, seen, command, stop, wake ──▶ step ──▶ effects, wakeMs
 *
 * Effects on the kernel are done in their order. `take` and `release` are answered by `done`, `sweep` and `look` by
 * `seen`, each with the same id; `keep` is not answered.
 *
 * Does NOT promise: an answer from a hung script; what was not answered is taken for held.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressMessage } from "../../../../transport/wire/messages/address.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Outcome } from "../../../../transport/wire/messages/leader.ts";
import type { Incarnation, NodeId, Pnn, Token } from "../../../../transport/wire/terms.ts";

/** What an operator may want; the leader does it. */
export type AddressCommand =
  /** An address goes to a node, and stays there for a while. */
  | {
    readonly verb: "move";
    readonly address: IpAddress;
    readonly to: Pnn;
    readonly forMs?: number;
  }
  /** A run, with addresses moved to these nodes for balance, too. Answered when it has ended. */
  | { readonly verb: "rebalance"; readonly forced: readonly Pnn[] };

/** What may happen to a takeover machine. */
export type AddressEvent =
  /** A life begins, the first one or another: what former ones held goes. */
  | { readonly kind: "life"; readonly incarnation: Incarnation }
  /** A document is in force here. */
  | { readonly kind: "adopted"; readonly doc: Document }
  /** The lease of this life, by the own clock; and the token that the node has promised. */
  | { readonly kind: "lease"; readonly endMs: number; readonly promised: Token }
  /** The addresses of the node's list, and those of them with an interface that has a link. */
  | {
    readonly kind: "offer";
    readonly known: readonly IpAddress[];
    readonly linked: readonly IpAddress[];
  }
  | { readonly kind: "health"; readonly isHealthy: boolean }
  | { readonly kind: "message"; readonly from: NodeId; readonly message: AddressMessage }
  | { readonly kind: "done"; readonly id: number; readonly isOk: boolean; readonly why?: string }
  /** The listed addresses that the kernel has. */
  | { readonly kind: "seen"; readonly id: number; readonly addresses: readonly IpAddress[] }
  | { readonly kind: "command"; readonly verbId: string; readonly command: AddressCommand }
  /** The node is about to end: it offers nothing more. */
  | { readonly kind: "stop" }
  | { readonly kind: "wake" };

/** How a run ended. */
export type RunEnd = "done" | "failed" | "overtaken";

/** What happened, for people. */
export type AddressHappening =
  | { readonly what: "taken" | "released" | "lost" | "foreign"; readonly address: IpAddress }
  | { readonly what: "broken"; readonly address: IpAddress; readonly why: string }
  | { readonly what: "ended"; readonly why: string }
  | {
    readonly what: "run";
    readonly run: number;
    readonly moves: number;
    readonly unhosted: number;
  }
  | { readonly what: "run over"; readonly run: number; readonly end: RunEnd; readonly why: string };

/** What the machine wants done. */
export type AddressEffect =
  | { readonly kind: "send"; readonly to: NodeId; readonly message: AddressMessage }
  /** Remove every listed address from the kernel; `seen` says what is left. */
  | { readonly kind: "sweep"; readonly id: number }
  /** Set it, until then at most: its life, in whole seconds, is reckoned where the kernel is called. */
  | {
    readonly kind: "take";
    readonly id: number;
    readonly address: IpAddress;
    readonly untilMs: number;
  }
  /** Extend the lives of these. */
  | { readonly kind: "keep"; readonly addresses: readonly IpAddress[]; readonly untilMs: number }
  | { readonly kind: "release"; readonly id: number; readonly address: IpAddress }
  | { readonly kind: "look"; readonly id: number }
  /** All addresses are where they belong. */
  | { readonly kind: "reallocated" }
  /** A run failed by this node. */
  | { readonly kind: "blame"; readonly pnn: Pnn; readonly credits: number; readonly why: string }
  | {
    readonly kind: "answer";
    readonly verbId: string;
    readonly outcome: Outcome;
    readonly text: string;
  }
  | { readonly kind: "happened"; readonly happening: AddressHappening };
