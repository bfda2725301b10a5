/**
 * The desk: what the takeover machine does with a kernel when it moves addresses, this does with the programs of the
 * node when it moves resources.
 *
 *   machine ── take, keep, release, look, sweep ──▶ desk ── orders ──▶ programs
 *           ◀── offer: known, able ──────────────    ◀── offer, said, news, ended ──
 *
 * A program owns something until the end that it was told last, and the node's lease lasts at least as long. It is
 * extended only while the program asks for news; so one that stands still loses it, and nothing else is needed. A
 * release ends when the program says so, at the end of its time, or when it is certainly dead: its connection has
 * ended, and its process is gone.
 *
 * Does NOT promise: to end a program; it only counts nothing for it any more.
 */
import type { Clock } from "../../transport/world.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type ResourceName, RESOURCES_MAX } from "../../transport/wire/resource.ts";
import type { AddressEvent } from "../machines/addresses/takeover/events.ts";
import type { KernelOp } from "../addresses/backend.ts";
import type { GrantPage } from "../storage/grant_page.ts";
import { asAddress, asName } from "./disguise.ts";
import { type Grant, Grants } from "./grants.ts";
import { type Offer, Offers, type Program } from "./offers.ts";
import {
  NO_ORDERS,
  type ResourceAnswer,
  type ResourceAsk,
  type ResourceOrder,
  type ResourceProgramRow,
  type ResourceSaid,
} from "./words.ts";

/** What a program could not use is not given to it for so long, ms. As the takeover machine has it for addresses. */
export const PAUSE_MS = 10_000;
/** Nothing is given for less, ms. */
const TAKE_MIN_MS = 250;
/** Between two looks whether a process whose connection has ended is gone, ms. */
const DEAD_LOOK_MS = 50;
/** Changes of offers wait so long for others, ms. */
const GATHER_MS = 5;
/** No grant of a former daemon lasts longer than this, ms; whatever the page says. */
const SWEEP_MAX_MS = 60_000;

/** What it needs. */
export interface DeskParts {
  readonly clock: Clock;
  readonly page: GrantPage;
  /** How far the node's clock is ahead of the machine's, ms. */
  readonly aheadMs: () => number;
  /** Is there a process with this id? */
  readonly alive: (pid: number) => boolean;
  /** What programs of this node offer, and what of it can be given now. */
  readonly onOffers: (known: readonly ResourceName[], able: readonly ResourceName[]) => void;
  /** For people. */
  readonly note: (text: string) => void;
}

type OnEnd = (event: AddressEvent) => void;

/** One node's. */
export class ResourceDesk {
  readonly #parts: DeskParts;
  readonly #offers: Offers;
  readonly #grants: Grants;
  readonly #ends = new Set<() => void>();
  #isGathering = false;
  #isStopped = false;
  #told = "";

  constructor(parts: DeskParts) {
    this.#parts = parts;
    const { clock, page, aheadMs } = parts;
    this.#offers = new Offers({
      clock,
      onTell: (orders) => this.#onTell(orders),
      onChange: () => this.#changed(),
    });
    this.#grants = new Grants({
      ...{ clock, page, aheadMs },
      onOver: (grant, why) => this.#onOver(grant, why),
    });
  }

  // --- what programs say

  /** A question of a program. Rejects with CtdbxError "exists", "limit", "state". */
  async ask(ask: ResourceAsk): Promise<ResourceAnswer> {
    switch (ask.what) {
      case "offer":
        this.#offer(ask);
        return NO_ORDERS;
      case "withdraw": {
        const offer = this.#offers.program(ask.client).offers.get(ask.id);
        if (offer !== undefined) this.#withdraw(offer);
        return NO_ORDERS;
      }
      case "say":
        for (const said of ask.said) this.#said(ask.client, said);
        return NO_ORDERS;
      case "news":
        return await this.#offers.news(this.#offers.program(ask.client));
      case "ended":
        this.#ended(this.#offers.program(ask.client));
        return NO_ORDERS;
    }
  }

  #offer(
    { client, pid, program: says, id, name }: Extract<ResourceAsk, { readonly what: "offer" }>,
  ): void {
    const program = this.#offers.program(client, pid, says);
    const known = program.offers.get(id);
    // Asked once more, as of a question that waited for another connection, on which all was offered again.
    if (known?.name === name) return;
    if (known !== undefined) {
      throw new CtdbxError("exists", `Cannot offer ${name}: ${id} is used`);
    }
    const all = this.#offers.of(name);
    if (all.some((offer) => offer.program === program)) {
      throw new CtdbxError("exists", `Cannot offer ${name}: this program does so already`);
    }
    if (all.length === 0 && this.#offers.count >= RESOURCES_MAX) {
      throw new CtdbxError("limit", `Cannot offer ${name}: RESOURCES_MAX is ${RESOURCES_MAX}`);
    }
    this.#offers.add(program, id, name);
  }

  #withdraw(offer: Offer): void {
    this.#offers.remove(offer);
    const grant = this.#grants.of(offer.name);
    if (grant?.offer === offer) this.#grants.over(grant, "said", "its program offers it no more");
  }

  #said(client: number, { grant: number, did, why = "" }: ResourceSaid): void {
    const grant = this.#grants.numbered(number);
    if (grant === undefined) return;
    const { name, offer: { program } } = grant;
    // Numbers of clients begin anew with each data thread.
    if (program.client !== client || program.hasEnded) return;
    if (did === "taken") {
      if (grant.phase !== "asked") return;
      grant.phase = "owned";
      const { onEnd } = grant;
      grant.onEnd = undefined;
      return onEnd?.(true, "");
    }
    if (did === "failed") {
      this.#parts.note(`Resource ${name} is given back by ${shown(program)}: ${why}`);
      this.#offers.pause(grant.offer, PAUSE_MS);
    } else if (why !== "") {
      this.#parts.note(`Resource ${name} was released by ${shown(program)} with an error: ${why}`);
    }
    this.#grants.over(grant, "said", `its program gave it back: ${why}`);
  }

  #ended(program: Program): void {
    this.#offers.end(program);
    this.#lookWhetherDead(program);
  }

  /** A process that is gone owns nothing; one that lives may not have noticed yet, and has until its time is over. */
  #lookWhetherDead(program: Program): void {
    const { alive, clock } = this.#parts;
    const grants = [...this.#grants.all()].filter(({ offer }) => offer.program === program);
    if (grants.length === 0 || program.pid === undefined) return;
    if (!alive(program.pid)) {
      for (const grant of grants) this.#grants.over(grant, "dead", "its program has died");
      return;
    }
    this.#later(() => this.#lookWhetherDead(program), DEAD_LOOK_MS, clock);
  }

  /** The data thread has died: all connections have ended. */
  threadLost(): void {
    for (const program of [...this.#offers.programs()]) this.#ended(program);
  }

  // --- what the machine wants

  /** Does it; `onEnd` is called once, but for `keep`. */
  run(op: KernelOp, onEnd: OnEnd): void {
    switch (op.kind) {
      case "sweep":
        return this.#sweep(op.id, onEnd);
      case "look": {
        this.#grants.look();
        const addresses = [...this.#grants.all()].map(({ name }) => asAddress(name));
        return onEnd({ kind: "seen", id: op.id, addresses });
      }
      case "keep":
        for (const address of op.addresses) this.#keep(asName(address), op.untilMs);
        return;
      case "take":
        return this.#take(op, onEnd);
      case "release":
        return this.#release(asName(op.address), op.id, onEnd);
    }
  }

  /** What a former daemon let programs own ends by the clock. */
  #sweep(id: number, onEnd: OnEnd): void {
    const { clock, page, aheadMs } = this.#parts;
    const waitMs = page.endMs === 0 ? 0 : page.endMs + aheadMs() - clock.nowMs();
    if (waitMs > 0 && waitMs <= SWEEP_MAX_MS) {
      this.#parts.note(`Programs may own resources by a former daemon for ${Math.ceil(waitMs)} ms`);
      return this.#later(() => this.#sweep(id, onEnd), waitMs, clock);
    }
    page.endMs = 0;
    onEnd({ kind: "seen", id, addresses: [] });
  }

  #take({ id, address, untilMs }: Extract<KernelOp, { readonly kind: "take" }>, onEnd: OnEnd) {
    const name = asName(address);
    this.#grants.look();
    const end = (isOk: boolean, why: string) => onEnd({ kind: "done", id, isOk, why });
    if (this.#grants.of(name) !== undefined) return end(false, "a program has it still");
    if (untilMs - this.#parts.clock.nowMs() < TAKE_MIN_MS) {
      return end(false, "the lease is nearly over");
    }
    const offer = this.#offers.willing(name);
    if (offer === undefined) return end(false, "no program of this node takes it just now");
    const { number: grant } = this.#grants.begin(offer, untilMs, end);
    this.#offers.order(offer.program, { do: "take", id: offer.id, grant, untilMs });
  }

  #keep(name: ResourceName, untilMs: number): void {
    const grant = this.#grants.of(name);
    if (grant?.phase !== "owned" || grant.offer.program.hasEnded) return;
    this.#offers.keep(grant.offer.program, grant.number, untilMs);
  }

  #release(name: ResourceName, id: number, onEnd: OnEnd): void {
    this.#grants.look();
    const grant = this.#grants.of(name);
    if (grant === undefined) return onEnd({ kind: "done", id, isOk: true });
    const { program } = grant.offer;
    grant.phase = "releasing";
    grant.onEnd = (isOk, why) => onEnd({ kind: "done", id, isOk, why });
    program.keep.delete(grant.number);
    this.#offers.order(program, { do: "release", grant: grant.number });
  }

  // --- inside

  /** Right before a program is told: the page has the new ends, and what came too late is left out. */
  #onTell(orders: readonly ResourceOrder[]): readonly ResourceOrder[] {
    const { clock, aheadMs } = this.#parts;
    const nowMs = clock.nowMs();
    return orders.flatMap((order): ResourceOrder[] => {
      if (order.do === "release") return [order];
      if (nowMs >= order.untilMs) return [];
      const untilMs = order.untilMs - aheadMs();
      if (order.do === "take") return [{ ...order, untilMs }];
      const grants = order.grants.flatMap((number) => {
        const grant = this.#grants.numbered(number);
        return grant?.phase === "owned" && nowMs < grant.untilMs ? [grant] : [];
      });
      this.#grants.extend(grants, order.untilMs);
      return grants.length === 0
        ? []
        : [{ do: "keep", grants: grants.map(({ number }) => number), untilMs }];
    });
  }

  #onOver({ name, number, phase, offer: { program } }: Grant, why: "time" | "said" | "dead"): void {
    program.keep.delete(number);
    if (why === "dead") this.#parts.note(`Resource ${name}: ${shown(program)} has died`);
    if (why === "time" && phase === "owned") {
      this.#parts.note(
        `Resource ${name}: ${shown(program)} did not ask in time, and owns it no more`,
      );
    }
    this.#changed();
  }

  #changed(): void {
    if (this.#isGathering || this.#isStopped) return;
    this.#isGathering = true;
    this.#later(() => this.#tellOffers(), GATHER_MS, this.#parts.clock);
  }

  #tellOffers(): void {
    this.#isGathering = false;
    const known = [...this.#offers.names()];
    const able = known.filter((name) => this.#offers.willing(name) !== undefined);
    const told = `${known.join()} ${able.join()}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#parts.onOffers(known, able);
  }

  #later(work: () => void, delayMs: number, clock: Clock): void {
    if (this.#isStopped) return;
    const cancel = clock.after(delayMs, () => {
      this.#ends.delete(cancel);
      work();
    });
    this.#ends.add(cancel);
  }

  /** The programs that offer something, by names. */
  rows(): ResourceProgramRow[] {
    const nowMs = this.#parts.clock.nowMs();
    return [...this.#offers.names()].sort().flatMap((name) => {
      const grant = this.#grants.of(name);
      const next = this.#offers.of(name).find((offer) =>
        offer !== grant?.offer && this.#offers.isWilling(offer)
      );
      return this.#offers.of(name).map((offer): ResourceProgramRow => {
        const { program: { program, pid } } = offer;
        const isOwner = grant?.offer === offer;
        const role = isOwner
          ? "owner"
          : offer === next
          ? "next"
          : this.#offers.isWilling(offer)
          ? "after"
          : "paused";
        return {
          ...{ name, role, program },
          ...pid === undefined ? {} : { pid },
          ...isOwner ? { leftMs: Math.max(0, Math.floor(grant.untilMs - nowMs)) } : {},
        };
      });
    });
  }

  /** Who owns a resource, for people; undefined: no program of this node. */
  ownerOf(name: ResourceName): string | undefined {
    const grant = this.#grants.of(name);
    return grant === undefined ? undefined : shown(grant.offer.program);
  }

  /** The daemon ends: what programs own ends with its time, which stands in the page. */
  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#ends) cancel();
    this.#ends.clear();
    this.#grants.stop();
    this.#parts.page.close();
  }
}

/** A program, for people. */
function shown({ program, pid }: Program): string {
  const name = program === "" ? "a program" : program;
  return pid === undefined ? name : `${name} (process ${pid})`;
}
