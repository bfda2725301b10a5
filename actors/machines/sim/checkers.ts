/**
 * The judges of a simulated cluster. They see all nodes at one instant, which no node can.
 *
 *   serving   at no instant do two nodes serve one slot; nor, stricter, by two views
 *   line      effective documents descend from each other: one line, and one document for each version
 *   lives     a life that left the effective view never comes back
 *   disk      what a disk promised or accepted never goes back
 *   faults    no assert of a machine has failed
 *
 * Does NOT promise: anything about how fast; ends.ts judges whether the cluster came back.
 */
import type { Document, View } from "../../../transport/wire/messages/document.ts";
import type { Generation, Incarnation, Pnn, Version } from "../../../transport/wire/terms.ts";
import type { Durable } from "../cluster/events.ts";
import { tokenText } from "../cluster/token.ts";

/** The state page of one life, as client programs of its host map it. */
export interface SimPage {
  readonly node: number;
  readonly incarnation: Incarnation;
  pnn: Pnn | undefined;
  generation: Generation;
  /** By the simulated time. Serving ends there. */
  endMs: number;
  view: View | undefined;
}

/** What went wrong. */
export interface Violation {
  readonly atMs: number;
  readonly rule: string;
  readonly text: string;
}

/** All that is judged while a run goes on. */
export class Checkers {
  readonly violations: Violation[] = [];
  readonly #pages: SimPage[][];
  readonly #docs = new Map<Version, Document>();
  readonly #effective: Version[] = [];
  /** Lives in the newest effective view, and those that left with the version that was without them. */
  readonly #members = new Set<string>();
  readonly #left = new Map<string, Version>();

  constructor(nodeCount: number) {
    this.#pages = Array.from({ length: nodeCount }, () => []);
  }

  /** Pages of a host that are not fenced. */
  pagesOf(node: number): readonly SimPage[] {
    return this.#pages[node] ?? [];
  }

  /** Effective documents, ascending versions. */
  get effective(): readonly Version[] {
    return this.#effective;
  }

  /** The document of a version, as it was first proposed. */
  docOf(version: Version): Document | undefined {
    return this.#docs.get(version);
  }

  /** Notes what is wrong. */
  report(atMs: number, rule: string, text: string): void {
    this.violations.push({ atMs, rule, text });
  }

  /** A page was made or changed. */
  onPage(atMs: number, page: SimPage): void {
    const own = this.#pages[page.node];
    if (own === undefined) return;
    if (!own.includes(page)) own.push(page);
    if (page.endMs <= atMs) return;
    for (const pages of this.#pages) {
      for (const other of pages) {
        if (other === page || other.endMs <= atMs) continue;
        if (other.generation === page.generation && other.node !== page.node) continue;
        this.report(atMs, "serving", servingText(page, other));
      }
    }
  }

  /** A host's pages of lives below this one end. */
  fence(node: number, below: Incarnation): void {
    const left = this.pagesOf(node).filter(({ incarnation }) => incarnation >= below);
    this.#pages[node] = left;
  }

  /** A host lost power: nobody is there to serve. */
  clear(node: number): void {
    this.#pages[node] = [];
  }

  /** A leader proposed a document. */
  onProposed(atMs: number, doc: Document): void {
    const known = this.#docs.get(doc.version);
    if (known !== undefined && known !== doc) {
      this.report(atMs, "line", `two documents ${tokenText(doc.version)}`);
    }
    this.#docs.set(doc.version, doc);
  }

  /** A leader found a document effective. */
  onEffective(atMs: number, doc: Document): void {
    const { version } = doc;
    const list = this.#effective;
    let at = list.length;
    while (at > 0 && (list[at - 1] as Version) > version) at -= 1;
    if (list[at - 1] === version) return;
    const below = list[at - 1];
    const above = list[at];
    if (below !== undefined && !this.#descends(version, below)) {
      this.#reportLine(atMs, version, below);
    }
    if (above !== undefined && !this.#descends(above, version)) {
      this.#reportLine(atMs, above, version);
    }
    list.splice(at, 0, version);
    this.#lookAtLives(atMs, doc);
  }

  #lookAtLives(atMs: number, { view, version }: Document): void {
    for (const { pnn, incarnation } of view.members) {
      const name = `${pnn}.${incarnation}`;
      const left = this.#left.get(name);
      if (left !== undefined && left < version) {
        this.report(atMs, "lives", `${name} left the view in ${tokenText(left)} and is back`);
      }
      this.#members.add(name);
    }
    if (version !== this.#effective.at(-1)) return;
    for (const name of this.#members) {
      if (view.members.some(({ pnn, incarnation }) => name === `${pnn}.${incarnation}`)) continue;
      this.#members.delete(name);
      this.#left.set(name, version);
    }
  }

  /** A disk has other contents. */
  onDisk(atMs: number, node: number, before: Durable, after: Durable): void {
    const accepted = (durable: Durable) => durable.accepted?.version ?? 0n;
    const isBack = after.promised < before.promised || accepted(after) < accepted(before) ||
      after.incarnation < before.incarnation;
    if (isBack) this.report(atMs, "disk", `the disk of node ${node} went back`);
  }

  #descends(version: Version, ancestor: Version): boolean {
    let at: Version | undefined = version;
    while (at !== undefined && at > ancestor) at = this.#docs.get(at)?.parent;
    return at === ancestor;
  }

  #reportLine(atMs: number, above: Version, below: Version): void {
    const text = `${tokenText(above)} is effective and does not descend from ${tokenText(below)}`;
    this.report(atMs, "line", text);
  }
}

function servingText(one: SimPage, other: SimPage): string {
  const nameOf = ({ node, incarnation, generation }: SimPage) =>
    `node ${node} life ${incarnation} by view ${tokenText(generation as bigint as Version)}`;
  const slots = sharedSlots(one, other);
  return `${nameOf(one)} and ${nameOf(other)} serve at once; both have ${slots} slots`;
}

function sharedSlots(one: SimPage, other: SimPage): number {
  const count = one.view?.slots.length ?? 0;
  let shared = 0;
  for (let slot = 0; slot < count; slot++) {
    if (isHome(one, slot) && isHome(other, slot)) shared += 1;
  }
  return shared;
}

function isHome({ view, pnn, incarnation }: SimPage, slot: number): boolean {
  const home = view?.slots[slot]?.home;
  return home !== undefined && home.pnn === pnn && home.incarnation === incarnation;
}
