/**
 * The programs of this node that offer to own resources, and what they are told.
 *
 *   program ── news ──▶ waits ──orders──▶ answered ──asks again──▶ waits
 *                                             └──no word for SILENT_MS──▶ silent: it is given nothing
 *
 * Several may offer the same: whoever came first is given it, the others stand by.
 *
 * Does NOT promise: to see at once that a program hangs which owns nothing; it is found when it is to take something.
 */
import type { Clock } from "../../transport/world.ts";
import type { ResourceName } from "../../transport/wire/resource.ts";
import { NO_ORDERS, type ResourceAnswer, type ResourceOrder } from "./words.ts";

/** Whoever has been answered asks again at once; one that does not for so long is silent, ms. */
export const SILENT_MS = 1000;

/** A program. */
export interface Program {
  readonly client: number;
  /** As the kernel says it; undefined: it does not. */
  pid: number | undefined;
  program: string;
  readonly offers: Map<number, Offer>;
  /** Its connection has ended. */
  hasEnded: boolean;
  /** It asks for news. */
  poll: ((answer: ResourceAnswer) => void) | undefined;
  isSilent: boolean;
  /** What it is to be told, with times of the node's clock. */
  outbox: ResourceOrder[];
  /** Numbers of grants that are to be told longer, and until when. */
  readonly keep: Set<number>;
  keepUntilMs: number;
  endSilence: () => void;
}

/** What a program offers. */
export interface Offer {
  readonly program: Program;
  readonly id: number;
  readonly name: ResourceName;
  /** It failed: nothing is given by it until then, by the node's clock. */
  pausedUntilMs: number;
}

/** What they are made with. */
export interface OffersParts {
  readonly clock: Clock;
  /** Before a program is told: grants that last longer by it, with what is left of the orders. */
  readonly onTell: (orders: readonly ResourceOrder[]) => readonly ResourceOrder[];
  /** What may be given, and by whom, has changed. */
  readonly onChange: () => void;
}

/** All of one node. */
export class Offers {
  readonly #parts: OffersParts;
  readonly #programs = new Map<number, Program>();
  readonly #byName = new Map<ResourceName, Offer[]>();

  constructor(parts: OffersParts) {
    this.#parts = parts;
  }

  names(): Iterable<ResourceName> {
    return this.#byName.keys();
  }

  get count(): number {
    return this.#byName.size;
  }

  /** Who offers it, in the order of coming. */
  of(name: ResourceName): readonly Offer[] {
    return this.#byName.get(name) ?? [];
  }

  programs(): Iterable<Program> {
    return this.#programs.values();
  }

  /** May it be given something now? */
  isWilling({ program, pausedUntilMs }: Offer): boolean {
    return !program.isSilent && this.#parts.clock.nowMs() >= pausedUntilMs;
  }

  /** The first that may be given it; undefined: none. */
  willing(name: ResourceName): Offer | undefined {
    return this.of(name).find((offer) => this.isWilling(offer));
  }

  program(client: number, pid?: number, program = ""): Program {
    const known = this.#programs.get(client);
    if (known !== undefined) {
      // Whoever asked something else first had not said it.
      known.pid ??= pid;
      known.program ||= program;
      return known;
    }
    const made: Program = {
      ...{ client, pid, program, offers: new Map(), hasEnded: false, poll: undefined },
      // Before its first question it hears nothing.
      ...{ isSilent: true, outbox: [], keep: new Set(), keepUntilMs: 0, endSilence: () => {} },
    };
    this.#programs.set(client, made);
    return made;
  }

  add(program: Program, id: number, name: ResourceName): void {
    const offer: Offer = { program, id, name, pausedUntilMs: 0 };
    program.offers.set(id, offer);
    const known = this.#byName.get(name);
    if (known === undefined) this.#byName.set(name, [offer]);
    else known.push(offer);
    this.#parts.onChange();
  }

  remove(offer: Offer): void {
    offer.program.offers.delete(offer.id);
    const rest = this.of(offer.name).filter((one) => one !== offer);
    if (rest.length === 0) this.#byName.delete(offer.name);
    else this.#byName.set(offer.name, rest);
    this.#parts.onChange();
  }

  /** Nothing is given by it for a while. */
  pause(offer: Offer, forMs: number): void {
    offer.pausedUntilMs = this.#parts.clock.nowMs() + forMs;
    this.#parts.onChange();
    this.#parts.clock.after(forMs, () => this.#parts.onChange());
  }

  /** It asks for news: answered when there is some. */
  news(program: Program): Promise<ResourceAnswer> {
    program.poll?.(NO_ORDERS);
    program.endSilence();
    const wasSilent = program.isSilent;
    program.isSilent = false;
    const answer = new Promise<ResourceAnswer>((resolve) => program.poll = resolve);
    this.#tell(program);
    if (wasSilent) this.#parts.onChange();
    return answer;
  }

  /** Has it told, when it asks; all of one turn together. */
  order(program: Program, order: ResourceOrder): void {
    program.outbox.push(order);
    this.#tellSoon(program);
  }

  /** Has it told that these last longer; what was to be told of it before counts no more. */
  keep(program: Program, number: number, untilMs: number): void {
    program.keep.add(number);
    program.keepUntilMs = untilMs;
    this.#tellSoon(program);
  }

  #tellSoon(program: Program): void {
    queueMicrotask(() => this.#tell(program));
  }

  #tell(program: Program): void {
    const { poll, keep, keepUntilMs: untilMs } = program;
    if (poll === undefined || (program.outbox.length === 0 && keep.size === 0)) return;
    const orders = program.outbox;
    program.outbox = [];
    if (keep.size > 0) orders.push({ do: "keep", grants: [...keep], untilMs });
    keep.clear();
    const told = this.#parts.onTell(orders);
    if (told.length === 0) return;
    program.poll = undefined;
    program.endSilence = this.#parts.clock.after(SILENT_MS, () => {
      program.isSilent = true;
      this.#parts.onChange();
    });
    poll({ orders: told });
  }

  /** Its connection has ended: it offers nothing more. */
  end(program: Program): void {
    program.hasEnded = true;
    program.endSilence();
    program.outbox = [];
    program.keep.clear();
    this.#programs.delete(program.client);
    for (const offer of [...program.offers.values()]) this.remove(offer);
    program.poll?.(NO_ORDERS);
    program.poll = undefined;
  }
}
