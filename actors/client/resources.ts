/**
 * The resources of one program.
 *
 *   resource() ─▶ offered ─▶ take: owned, onTake ─▶ release: signal, onTake ends, onRelease ─▶ "released"
 *                                           └─ keep: owned for longer, as long as this program asks for news
 *   the connection is cut ─▶ owned no more, at once; on another connection all is offered again
 *
 * One that was not extended is stopped a little before its end. Ends are of CLOCK_BOOTTIME, which the node's machine
 * and this program share: so a program that was stopped knows at once that it owns nothing more.
 *
 * Does NOT promise: that two programs never work; only that two never own.
 */
import type { LockToken } from "./lock_types.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import { resourceName } from "../../transport/wire/resource.ts";
import type { ResourceOrder, ResourceSaid } from "../resources/words.ts";
import type { ClientCore } from "./core.ts";
import { Owned } from "./resource_owned.ts";
import type { Resource, ResourceOptions } from "./resource_types.ts";

/** `signal` is aborted so long before an end, ms; and the longest that may be wished. */
const EARLY_MS = 250;
const EARLY_MS_MAX = 1000;
/** A question for news is asked again after so long, ms. */
const NEWS_MS = 2 ** 31 - 1;
/** One that was refused, as too much is asked at a time, is asked again after so long, ms. */
const AGAIN_MS = 100;
/** What the node refused on another connection is offered again after so long, ms. */
const REFUSED_MS = 1000;
/** Codes of a question that the node may not have heard, or answered: no refusals. */
const NO_ANSWER: readonly ErrorCode[] = ["unknown", "timeout"];
/** What was done by a former ownership is waited for so long before the next, ms. */
const FORMER_MS = 500;
/** The node is told for so long what was done, ms. */
const SAY_MS = 10_000;

/** What they need. */
export interface ResourcesParts {
  readonly core: ClientCore;
  /** Is the node's machine this one, with its clock? */
  readonly isHere: boolean;
  readonly token: (name: string) => Promise<LockToken>;
}

/** One that is offered. */
class Offered implements Resource {
  readonly name: string;
  readonly id: number;
  readonly options: ResourceOptions;
  owned: Owned | undefined;
  last: Owned | undefined;
  closing: Promise<void> | undefined;
  refusal: CtdbxError | undefined;
  /** May the node have heard of it on this connection, while that is not up yet? */
  isSent = false;
  /** Ends the wait for another try. */
  endAgain: () => void = () => {};
  readonly #onClose: (offered: Offered) => Promise<void>;

  constructor(
    name: string,
    id: number,
    options: ResourceOptions,
    onClose: (offered: Offered) => Promise<void>,
  ) {
    this.name = name;
    this.id = id;
    this.options = options;
    this.#onClose = onClose;
  }

  get isOwned(): boolean {
    return this.owned?.isOwned === true;
  }

  get ownership(): Owned | undefined {
    return this.isOwned ? this.owned : undefined;
  }

  get signal(): AbortSignal {
    return (this.owned ?? this.last)?.signal ?? AbortSignal.abort();
  }

  close(): Promise<void> {
    return this.closing ??= this.#onClose(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** All of one program. */
export class Resources {
  readonly #parts: ResourcesParts;
  readonly #offered = new Map<number, Offered>();
  readonly #owned = new Map<number, { readonly offered: Offered; readonly owned: Owned }>();
  #lastId = 0;
  /** Counts connections. */
  #epoch = 0;
  #isHearing = false;
  #said: ResourceSaid[] = [];
  #endTimer: () => void = () => {};

  constructor(parts: ResourcesParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#offered.size;
  }

  /** Offers one; see Cluster.resource(). */
  async resource(text: string, options: ResourceOptions = {}): Promise<Resource> {
    const name = resourceName(text);
    const { earlyMs = EARLY_MS, onTake, onRelease } = options;
    if (!(typeof earlyMs === "number" && earlyMs >= 0 && earlyMs <= EARLY_MS_MAX)) {
      throw new RangeError(`Cannot offer ${name}: earlyMs has 0 to ${EARLY_MS_MAX}, is ${earlyMs}`);
    }
    for (const code of [onTake, onRelease]) {
      if (code === undefined || typeof code === "function") continue;
      throw new TypeError(`Cannot offer ${name}: onTake and onRelease must be functions`);
    }
    if (!this.#parts.isHere) {
      const why = "they are lent by the clock of the node's machine; connect to the node of this " +
        "machine, without `servers` and without `mapped: false`";
      throw new CtdbxError("unsupported", `Cannot own resources: ${why}`);
    }
    if ([...this.#offered.values()].some((one) => one.name === name)) {
      throw new CtdbxError("exists", `Cannot offer ${name}: this program does so already`);
    }
    const offered = new Offered(name, ++this.#lastId, options, (one) => this.#close(one));
    this.#offered.set(offered.id, offered);
    try {
      await this.#parts.core.ask(askOf(offered), options);
    } catch (error) {
      // On another connection it may have been offered again meanwhile: it is not wanted any more.
      await offered.close();
      throw error;
    }
    offered.refusal = undefined;
    void this.#hear();
    return offered;
  }

  /** Offers all again on another connection. What the node refuses of it is tried later; the rest goes on. */
  async restore(untilMs: number): Promise<void> {
    const all = [...this.#offered.values()];
    for (const offered of all) offered.isSent = false;
    for (const offered of all) {
      if (offered.closing === undefined) await this.#offer(offered, untilMs);
    }
    void this.#hear();
  }

  /** Throws what is no refusal: "unknown", "timeout". */
  async #offer(offered: Offered, untilMs: number): Promise<void> {
    offered.endAgain();
    offered.isSent = true;
    try {
      await this.#parts.core.line.ask(askOf(offered), untilMs);
      offered.refusal = undefined;
    } catch (error) {
      const isRefusal = error instanceof CtdbxError && !NO_ANSWER.includes(error.code);
      if (!isRefusal) throw error;
      offered.refusal = error;
      this.#offerLater(offered);
    }
  }

  #offerLater(offered: Offered): void {
    const { line, clock } = this.#parts.core;
    if (offered.closing !== undefined) return;
    offered.endAgain = clock.after(REFUSED_MS, () => {
      // With the next connection all is offered again.
      if (!line.isUp) return;
      this.#offer(offered, clock.nowMs() + SAY_MS).catch(() => this.#offerLater(offered));
    });
  }

  /** Hears what the node wants, as long as the connection lasts and something is offered. */
  async #hear(): Promise<void> {
    if (this.#isHearing || this.#offered.size === 0) return;
    this.#isHearing = true;
    const { line, clock } = this.#parts.core;
    const epoch = this.#epoch;
    while (epoch === this.#epoch && this.#offered.size > 0) {
      let answer: Record<string, unknown> | undefined;
      try {
        const ask = { do: "resource", what: "news", timeoutMs: NEWS_MS };
        answer = await line.ask(ask, clock.nowMs() + NEWS_MS);
      } catch (error) {
        if (epoch !== this.#epoch) return;
        const isCut = error instanceof CtdbxError && error.code === "unknown";
        if (isCut || !line.isUp) return this.lost("the connection to the node was cut");
        await new Promise<void>((resolve) => void clock.after(AGAIN_MS, resolve));
      }
      if (epoch !== this.#epoch) return;
      for (const order of (answer?.["orders"] ?? []) as readonly ResourceOrder[]) this.#do(order);
    }
    if (epoch === this.#epoch) this.#isHearing = false;
  }

  #do(order: ResourceOrder): void {
    switch (order.do) {
      case "take":
        return void this.#take(order.id, order.grant, order.untilMs);
      case "keep":
        for (const grant of order.grants) {
          const owned = this.#owned.get(grant)?.owned;
          if (owned !== undefined) owned.untilMs = Math.max(owned.untilMs, order.untilMs);
        }
        return this.#watchEnds();
      case "release": {
        const found = this.#owned.get(order.grant);
        if (found === undefined) return this.#say({ grant: order.grant, did: "released" });
        return void this.#finish(found.offered, found.owned, "it goes elsewhere", "released");
      }
    }
  }

  async #take(id: number, grant: number, untilMs: number): Promise<void> {
    const { core: { clock }, token } = this.#parts;
    const offered = this.#offered.get(id);
    const epoch = this.#epoch;
    if (offered === undefined || offered.closing !== undefined) {
      return this.#say({ grant, did: "failed", why: "the program offers it no more" });
    }
    const { last } = offered;
    // The node knows that to be over; this program may have been stopped meanwhile, and not know yet.
    const former = last && this.#finish(offered, last, "it is given anew", undefined);
    if (former !== undefined && !await this.#hasEnded(former)) {
      const why = "what the program did with it before has not ended";
      return this.#say({ grant, did: "failed", why });
    }
    if (epoch !== this.#epoch || offered.closing !== undefined || clock.nowMs() >= untilMs) return;
    const { onTake, earlyMs = EARLY_MS } = offered.options;
    if (untilMs - clock.nowMs() <= earlyMs) {
      // It would have to end at once.
      return this.#say({ grant, did: "failed", why: "too little was left of the node's lease" });
    }
    const owned = new Owned({ name: offered.name, grant, clock, token }, untilMs);
    offered.owned = owned;
    offered.last = owned;
    this.#owned.set(grant, { offered, owned });
    // Before its end is looked after: whatever ends it waits for this.
    owned.work = Promise.resolve().then(() => onTake?.(owned));
    owned.work.catch((error: unknown) => {
      void this.#finish(offered, owned, `onTake failed: ${textOf(error)}`, "failed", error);
    });
    this.#say({ grant, did: "taken" });
    this.#watchEnds();
  }

  /** Has a former ownership ended, or does it in time? */
  async #hasEnded(former: Promise<void>): Promise<boolean> {
    let cancel = (): void => {};
    const late = new Promise<false>((resolve) => {
      cancel = this.#parts.core.clock.after(FORMER_MS, () => resolve(false));
    });
    const isOver = await Promise.race([former.then(() => true as const), late]);
    cancel();
    return isOver;
  }

  /** Ends an ownership: what is done by it first. `did` undefined: the node is told otherwise. */
  #finish(
    offered: Offered,
    owned: Owned,
    why: string,
    did: "released" | "failed" | undefined,
    error?: unknown,
  ): Promise<void> {
    owned.stop(why);
    return owned.ending ??= this.#finishing(offered, owned, did, error);
  }

  async #finishing(
    { options: { onRelease } }: Offered,
    owned: Owned,
    did: "released" | "failed" | undefined,
    error: unknown,
  ): Promise<void> {
    let trouble = error;
    // A rejection is what brought it here, or what `signal` has brought about.
    await owned.work.catch(() => {});
    try {
      await onRelease?.(owned);
    } catch (fault) {
      trouble ??= fault;
    }
    owned.over();
    const { grant } = owned.parts;
    // Of a former connection: its number may be another one's by now.
    if (this.#owned.get(grant)?.owned !== owned) return;
    this.#owned.delete(grant);
    if (did === undefined) return;
    this.#say({ grant, did, ...trouble === undefined ? {} : { why: textOf(trouble) } });
  }

  /** Stops what was not extended, a little before its end. */
  #watchEnds(): void {
    this.#endTimer();
    const { clock } = this.#parts.core;
    const nowMs = clock.nowMs();
    let nextMs = Infinity;
    for (const { offered, owned } of [...this.#owned.values()]) {
      if (owned.ending !== undefined) continue;
      const endMs = owned.untilMs - (offered.options.earlyMs ?? EARLY_MS);
      if (nowMs < endMs) nextMs = Math.min(nextMs, endMs);
      else void this.#finish(offered, owned, "the node did not extend it in time", "released");
    }
    if (nextMs === Infinity) return;
    this.#endTimer = clock.after(nextMs - nowMs, () => this.#watchEnds());
  }

  /** Tells the node, all of one turn together. */
  #say(said: ResourceSaid): void {
    this.#said.push(said);
    if (this.#said.length > 1) return;
    queueMicrotask(() => {
      const all = this.#said.splice(0);
      const { line, clock } = this.#parts.core;
      if (!line.isUp || all.length === 0) return;
      // Lost with the connection, and then it is all over anyway.
      line.ask({ do: "resource", what: "say", said: all }, clock.nowMs() + SAY_MS).catch(() => {});
    });
  }

  async #close(offered: Offered): Promise<void> {
    const { owned, id } = offered;
    if (owned !== undefined) {
      await this.#finish(offered, owned, "the program gives it up", undefined);
    }
    offered.endAgain();
    this.#offered.delete(id);
    const { core } = this.#parts;
    // While a connection is restored it may have been offered on it already.
    if (!core.line.isUp && !offered.isSent) return;
    const untilMs = core.clock.nowMs() + core.timeout(undefined);
    try {
      await core.line.ask({ do: "resource", what: "withdraw", id }, untilMs);
    } catch (error) {
      // With its connection goes all that a program offers.
      if (!(error instanceof CtdbxError)) throw error;
    }
  }

  /** Closes all: what is done has ended then, or is not owned any more. */
  async closeAll(): Promise<void> {
    const all = [...this.#offered.values()];
    const closed = Promise.all(all.map((one) => one.close()));
    const leftMs = Math.max(0, ...all.map(({ owned }) => owned?.leftMs ?? 0));
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#parts.core.clock.after(leftMs, resolve);
    });
    await Promise.race([closed, late]);
    cancel();
  }

  /** The connection has ended: nothing is owned any more. */
  lost(why: string): void {
    this.#epoch += 1;
    this.#isHearing = false;
    this.#endTimer();
    for (const { offered, owned } of [...this.#owned.values()]) {
      owned.over();
      void this.#finish(offered, owned, why, undefined);
    }
    this.#owned.clear();
    for (const offered of this.#offered.values()) {
      offered.endAgain();
      offered.isSent = false;
    }
  }
}

function askOf({ id, name }: Offered): Record<string, unknown> {
  return { do: "resource", what: "offer", id, name };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
