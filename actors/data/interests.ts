/**
 * Who watches which records: asked at each write of a watched database, so it is an index by key and by prefix.
 *
 *   epoch of a database ─▶ keys ─▶ nodes      isWatched(key): the key itself, and each length of prefix that there is
 *                       └▶ prefixes ─▶ nodes
 *
 * Does NOT promise: that a node still has programs that want it; it says so when it has not.
 */
import type { Interest } from "../../transport/wire/watch_layout.ts";
import type { DbId, NodeId, Version } from "../../transport/wire/terms.ts";
import type { Key } from "../machines/record/copy.ts";

/** Bytes of an interest in a list, beside its text. */
const INTEREST_BYTES = 15;

/** One epoch of a database. */
interface Watched {
  readonly keys: Map<Key, Set<NodeId>>;
  readonly prefixes: Map<Key, Set<NodeId>>;
  /** Lengths of the prefixes, and how many are so long. */
  readonly lengths: Map<number, number>;
}

/** A name of an interest that no other has. */
export function interestName({ dbId, since, isPrefix, text }: Interest): string {
  return `${dbId}.${since}.${isPrefix ? "p" : "k"}${text}`;
}

/** All interests of all nodes. */
export class Interests {
  readonly #watched = new Map<string, Watched>();
  readonly #ofNode = new Map<NodeId, Map<string, Interest>>();
  readonly #bytes = new Map<NodeId, number>();

  /** Nodes that want something. */
  nodes(): NodeId[] {
    return [...this.#ofNode.keys()];
  }

  /** How many a node has. */
  countOf(node: NodeId): number {
    return this.#ofNode.get(node)?.size ?? 0;
  }

  /** Bytes that they take in a list. */
  bytesOf(node: NodeId): number {
    return this.#bytes.get(node) ?? 0;
  }

  /** Those of a node. */
  of(node: NodeId): Interest[] {
    return [...this.#ofNode.get(node)?.values() ?? []];
  }

  /** All in one epoch of a database. */
  at(dbId: DbId, since: Version): { readonly isPrefix: boolean; readonly text: Key }[] {
    const watched = this.#watched.get(`${dbId}.${since}`);
    if (watched === undefined) return [];
    return [
      ...[...watched.keys.keys()].map((text) => ({ isPrefix: false, text })),
      ...[...watched.prefixes.keys()].map((text) => ({ isPrefix: true, text })),
    ];
  }

  /** A node wants something. False: that was known. */
  add(node: NodeId, interest: Interest): boolean {
    const name = interestName(interest);
    let own = this.#ofNode.get(node);
    if (own === undefined) this.#ofNode.set(node, own = new Map());
    if (own.has(name)) return false;
    own.set(name, interest);
    const { dbId, since, isPrefix, text } = interest;
    this.#bytes.set(node, this.bytesOf(node) + INTEREST_BYTES + text.length);
    const epoch = `${dbId}.${since}`;
    let watched = this.#watched.get(epoch);
    if (watched === undefined) {
      watched = { keys: new Map(), prefixes: new Map(), lengths: new Map() };
      this.#watched.set(epoch, watched);
    }
    const table = isPrefix ? watched.prefixes : watched.keys;
    const nodes = table.get(text);
    if (nodes !== undefined) nodes.add(node);
    else {
      table.set(text, new Set([node]));
      if (isPrefix) watched.lengths.set(text.length, (watched.lengths.get(text.length) ?? 0) + 1);
    }
    return true;
  }

  /** A node wants something no longer. */
  drop(node: NodeId, interest: Interest): void {
    const own = this.#ofNode.get(node);
    if (own?.delete(interestName(interest)) !== true) return;
    const { dbId, since, isPrefix, text } = interest;
    this.#bytes.set(node, this.bytesOf(node) - INTEREST_BYTES - text.length);
    if (own.size === 0) {
      this.#ofNode.delete(node);
      this.#bytes.delete(node);
    }
    const epoch = `${dbId}.${since}`;
    const watched = this.#watched.get(epoch);
    const table = isPrefix ? watched?.prefixes : watched?.keys;
    const nodes = table?.get(text);
    if (watched === undefined || nodes === undefined) return;
    nodes.delete(node);
    if (nodes.size > 0) return;
    table?.delete(text);
    if (isPrefix) {
      const count = (watched.lengths.get(text.length) ?? 1) - 1;
      if (count === 0) watched.lengths.delete(text.length);
      else watched.lengths.set(text.length, count);
    }
    if (watched.keys.size === 0 && watched.prefixes.size === 0) this.#watched.delete(epoch);
  }

  /** A node wants nothing any more. */
  dropAll(node: NodeId): void {
    for (const interest of this.of(node)) this.drop(node, interest);
  }

  /** Does anybody watch this key? */
  isWatched(epoch: string, key: Key): boolean {
    if (this.#watched.size === 0) return false;
    const watched = this.#watched.get(epoch);
    if (watched === undefined) return false;
    if (watched.keys.has(key)) return true;
    for (const length of watched.lengths.keys()) {
      if (length <= key.length && watched.prefixes.has(key.slice(0, length))) return true;
    }
    return false;
  }

  /** Who watches this key. */
  watchersOf(epoch: string, key: Key): Set<NodeId> {
    const found = new Set<NodeId>();
    const watched = this.#watched.get(epoch);
    if (watched === undefined) return found;
    for (const node of watched.keys.get(key) ?? []) found.add(node);
    for (const length of watched.lengths.keys()) {
      if (length > key.length) continue;
      for (const node of watched.prefixes.get(key.slice(0, length)) ?? []) found.add(node);
    }
    return found;
  }
}
