/**
 * What programs, their data thread and the desk of their node say to each other of resources: plain data.
 *
 *   program ── offer, withdraw, say ──▶ session ──▶ desk            the program's connection ends ──▶ ended
 *   program ── news ──▶ ... as soon as there is something: orders ◀── desk
 *
 * Times that programs are told are of CLOCK_BOOTTIME of the machine, ms; those of the desk of its node's clock.
 *
 * Does NOT promise: that what a program says is true; it can hurt only what it offers.
 */
import type { ResourceName } from "../../transport/wire/resource.ts";

/** What a program did with something that it was given. */
export interface ResourceSaid {
  /** The number of what it was given. */
  readonly grant: number;
  /** taken: it owns it. released: it does no more. failed: it could not use it, and does not own it. */
  readonly did: "taken" | "released" | "failed";
  readonly why?: string;
}

/** What a program is to do. */
export type ResourceOrder =
  /** It owns what it offers under `id` until then, and says "taken". */
  | {
    readonly do: "take";
    readonly id: number;
    readonly grant: number;
    readonly untilMs: number;
  }
  /** It owns these for longer. */
  | { readonly do: "keep"; readonly grants: readonly number[]; readonly untilMs: number }
  /** It is to end what it does with it, and says "released". */
  | { readonly do: "release"; readonly grant: number };

/** A question of a program, as its session hands it on. */
export type ResourceAsk =
  | {
    readonly what: "offer";
    readonly client: number;
    /** As the kernel says it; undefined: it does not. */
    readonly pid: number | undefined;
    /** What it calls itself. */
    readonly program: string;
    /** Its own number of the offer. */
    readonly id: number;
    readonly name: ResourceName;
  }
  /** It offers that no more, and does not own it. */
  | { readonly what: "withdraw"; readonly client: number; readonly id: number }
  | { readonly what: "say"; readonly client: number; readonly said: readonly ResourceSaid[] }
  /** Answered when there are orders; whoever does not ask is given nothing, and nothing for longer. */
  | { readonly what: "news"; readonly client: number }
  /** Its connection has ended. */
  | { readonly what: "ended"; readonly client: number };

/** The answer to any of them. */
export interface ResourceAnswer {
  readonly orders: readonly ResourceOrder[];
}

/** An answer without orders. */
export const NO_ORDERS: ResourceAnswer = { orders: [] };

/** A program that offers a resource, for people. */
export interface ResourceProgramRow {
  readonly name: ResourceName;
  /** owner; next: it would be given it; after: others come first; paused: it failed, or is silent. */
  readonly role: "owner" | "next" | "after" | "paused";
  readonly program: string;
  /** Undefined: the kernel does not say. */
  readonly pid?: number;
  /** Until when it owns it if that is not extended, ms from now. */
  readonly leftMs?: number;
}
