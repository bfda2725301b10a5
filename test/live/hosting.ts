/**
 * Who had which address when, by what the nodes themselves tell monitors; and whether two ever had one.
 *
 *   ip ls ─▶ who has them at the beginning      taken, released ─▶ spans      kill, stop ─▶ spans end, whatever is told
 *
 * Does NOT promise: what a killed node did not get to tell; a span that nobody told of is not looked at.
 */

import * as assert from "uvu/assert";
import type { NamedAddress } from "../../actors/verbs/address_views.ts";
import { type DevCluster, eventually } from "./dev_rig.ts";
import type { ForeignClient } from "./nats_client.ts";

/** A node has an address from then until then, by the wall clock of this machine, ms. */
interface Span {
  readonly address: string;
  readonly node: string;
  readonly fromMs: number;
  toMs: number;
}

/** The history of all addresses of a cluster. */
export class Hosting {
  readonly #dev: DevCluster;
  readonly #client: ForeignClient;
  #begun: readonly NamedAddress[] = [];
  /** When what a node had was over, whatever it told later: it was killed, or its lease was over. */
  readonly #ends: { readonly node: string; readonly fromMs: number; readonly toMs: number }[] = [];

  constructor(dev: DevCluster, client: ForeignClient) {
    this.#dev = dev;
    this.#client = client;
  }

  /** Begins, when every node has some and nothing moves. */
  async begin(): Promise<void> {
    await eventually("nothing moves", async () => {
      this.#client.clear();
      this.#begun = await this.shared();
      return this.#client.of("address").length === 0;
    });
  }

  /** All rows, by a node that is asked. */
  async rows(index = 0): Promise<readonly NamedAddress[]> {
    return await this.#dev.json<NamedAddress[]>("ip ls", index);
  }

  /** Waits until every address is hosted, and every node has some. */
  async shared(index = 0): Promise<readonly NamedAddress[]> {
    return await this.#until("all nodes have addresses", index, (rows) => {
      const nodes = new Set(rows.map(({ node }) => node));
      return rows.every(({ state }) => state === "hosted") && nodes.size === this.#dev.nodes;
    });
  }

  /** Waits until others have taken what this node had; that can be seen, however soon it is back. */
  async moved(of: number, addresses: readonly string[], fromMs: number): Promise<void> {
    await eventually(`others have what n${of} had`, () => {
      const taken = this.taken(of, fromMs);
      return addresses.every((address) => taken.some((one) => one.address === address));
    });
  }

  /** Waits until every address is hosted, and none by this node; asks another one. */
  async without(of: number): Promise<readonly NamedAddress[]> {
    const index = of === 0 ? 1 : 0;
    return await this.#until(
      `n${of} has none`,
      index,
      (rows) => rows.every(({ state, node }) => state === "hosted" && node !== `n${of}`),
    );
  }

  async #until(
    what: string,
    index: number,
    isSo: (rows: readonly NamedAddress[]) => boolean,
  ): Promise<readonly NamedAddress[]> {
    let rows: readonly NamedAddress[] = [];
    await eventually(what, async () => {
      const { exit, out } = await this.#dev.run("ip ls -o json", index);
      // While nobody leads nobody can say.
      if (exit !== 0) return false;
      rows = JSON.parse(out).data as NamedAddress[];
      return rows.length > 0 && isSo(rows);
    });
    return rows;
  }

  /** What a node had is over by then, and it has taken nothing since `fromMs`. */
  over(of: number, fromMs: number, toMs: number): void {
    this.#ends.push({ node: `n${of}`, fromMs, toMs });
  }

  /** What others than this node have taken since `fromMs`. */
  taken(of: number, fromMs: number): { readonly address: string; readonly wallMs: number }[] {
    return this.#events().filter(({ what, node, wallMs }) =>
      what === "taken" && node !== `n${of}` && wallMs >= fromMs
    );
  }

  #events() {
    return this.#client.of("address").map((event) => ({
      what: String(event["what"]),
      node: String(event["node"]),
      address: String(event["address"]),
      wallMs: Number(event["wallMs"]),
    })).sort((one, other) => one.wallMs - other.wallMs);
  }

  #spans(): Span[] {
    const spans: Span[] = this.#begun.map(({ address, node = "" }) => ({
      ...{ address, node, fromMs: 0, toMs: Infinity },
    }));
    for (const { what, node, address, wallMs } of this.#events()) {
      // A killed node told of no end: of several that are open the last one is meant.
      const open = spans.findLast((span) =>
        span.node === node && span.address === address && span.toMs === Infinity
      );
      // What is lost is not set there any more: its time in the kernel was over.
      const isOver = what === "released" || what === "lost";
      if (isOver && open !== undefined) open.toMs = wallMs;
      if (what === "taken") spans.push({ address, node, fromMs: wallMs, toMs: Infinity });
    }
    for (const { node, fromMs, toMs } of this.#ends) {
      for (const span of spans) {
        const isThen = span.node === node && span.fromMs < fromMs && span.toMs > toMs;
        if (isThen) span.toMs = toMs;
      }
    }
    return spans;
  }

  /** Fails when two nodes had one address at a time. Answers how many spans there were. */
  judge(): number {
    const spans = this.#spans();
    for (const [at, one] of spans.entries()) {
      for (const other of spans.slice(at + 1)) {
        if (one.address !== other.address || one.node === other.node) continue;
        const isBoth = one.fromMs < other.toMs && other.fromMs < one.toMs;
        if (!isBoth) continue;
        const told = this.#events().filter(({ address }) => address === one.address);
        const seen = { begun: this.#begun, ends: this.#ends, told };
        assert.unreachable(`two had it: ${JSON.stringify([one, other])}; ${JSON.stringify(seen)}`);
      }
    }
    return spans.length;
  }
}
