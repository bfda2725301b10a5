/**
 * The main job's part about public addresses: who has which while a node is dead and when it is back, and what a check
 * that fails does. Each step waits until `ip ls` says so.
 *
 *   before ─▶ kill -9 ─▶ none at the dead node, all hosted ─▶ back ─▶ it has some again
 *   the check of a node fails ─▶ it has none, `node explain` names the check ─▶ mended ─▶ it has some again
 *
 * Does NOT promise: that anybody answers at them; the backend of a development cluster is dry.
 */

import { ms, wrong } from "./dev_job_words.ts";

/** Between two looks, ms. */
const LOOK_MS = 25;
/** Addresses move within a second, and after a machine has stood still; after this something is wrong, ms. */
const MOVED_MS = 30_000;

/** An address, and the name of the node that has it; undefined: nobody has. */
export interface Hosted {
  readonly address: string;
  readonly node: string | undefined;
}

/** What this part needs of the cluster. */
export interface AddressWorld {
  /** Names of the nodes, by index. */
  readonly names: readonly string[];
  nowMs(): number;
  sleep(ms: number): Promise<void>;
  /** All addresses, as `ip ls` at n0 has them; undefined: nobody can say just now. */
  addresses(): Promise<readonly Hosted[] | undefined>;
  /** Addresses that nodes have taken in the last `ms`, by their own histories; who does not answer says nothing. */
  taken(ms: number): Promise<readonly Hosted[]>;
  /** Has the check of a node fail, or pass again. */
  service(index: number, isUp: boolean): void;
  /** What `node explain` says of a check of a node that fails, a line each; none: it names no such check. */
  explainCheck(index: number): Promise<readonly string[]>;
  show(step: string, ...lines: readonly string[]): void;
}

/** A column of the table: what it is called, who has which. */
interface Column {
  readonly title: string;
  readonly hosted: readonly Hosted[];
}

/** Addresses that are looked at again and again. */
export class AddressWatch {
  readonly #world: AddressWorld;
  readonly #columns: Column[] = [];

  private constructor(world: AddressWorld) {
    this.#world = world;
  }

  /** Begins with each node hosting some. Throws Failure when that does not come about. */
  static async begin(world: AddressWorld, title: string): Promise<AddressWatch> {
    const watch = new AddressWatch(world);
    await watch.shared(title);
    return watch;
  }

  /** Until all are hosted, and none by this node; how long that took, ms. Throws Failure. */
  async without(index: number, title: string): Promise<number> {
    const { nowMs, taken } = this.#world;
    const name = this.#world.names[index];
    const startMs = nowMs();
    const before = this.#columns.at(-1)?.hosted ?? [];
    return await this.#until(
      title,
      `every address at others than ${name}`,
      async (hosted) => {
        if (hosted?.every(({ node }) => node !== undefined && node !== name)) return hosted;
        // A node that is back at once may have some again before that was seen: who took them remembers it.
        const others = new Map(
          (await taken(nowMs() - startMs)).filter(({ node }) => node !== name)
            .map(({ address, node }) => [address, node]),
        );
        const after = before.map((one) =>
          one.node === name ? { ...one, node: others.get(one.address) } : one
        );
        return after.every(({ node }) => node !== undefined) ? after : undefined;
      },
    );
  }

  /** Until all are hosted, and every node has some; how long that took, ms. Throws Failure. */
  async shared(title: string): Promise<number> {
    const { names } = this.#world;
    return await this.#until(
      title,
      "every address hosted, and some at every node",
      (hosted) => {
        const isShared = hosted?.every(({ node }) => node !== undefined) &&
          names.every((name) => hosted.some(({ node }) => node === name));
        return Promise.resolve(isShared ? hosted : undefined);
      },
    );
  }

  async #until(
    title: string,
    wanted: string,
    found: (hosted: readonly Hosted[] | undefined) => Promise<readonly Hosted[] | undefined>,
  ): Promise<number> {
    const { nowMs, sleep, addresses } = this.#world;
    const startMs = nowMs();
    let last: readonly Hosted[] | undefined;
    for (;;) {
      const all = await addresses();
      const hosted = all?.length === 0 ? undefined : await found(all);
      if (hosted !== undefined) {
        this.#columns.push({ title, hosted });
        return nowMs() - startMs;
      }
      last = all ?? last;
      if (nowMs() - startMs > MOVED_MS) break;
      await sleep(LOOK_MS);
    }
    const seconds = MOVED_MS / 1000;
    throw wrong(`not within ${seconds} s: ${wanted}; ${inWords(last)}`);
  }

  /** Who has had which, a line for each address. */
  table(): string[] {
    const [first] = this.#columns;
    const width = Math.max(...(first?.hosted ?? []).map(({ address }) => address.length), 7) + 2;
    const head = this.#columns.map(({ title }) => title.padEnd(title.length + 2)).join("");
    const rows = (first?.hosted ?? []).map(({ address }) => {
      const cells = this.#columns.map(({ title, hosted }) => {
        const node = hosted.find((one) => one.address === address)?.node ?? "-";
        return node.padEnd(title.length + 2);
      });
      return `  ${address.padEnd(width)}${cells.join("")}`.trimEnd();
    });
    return [`  ${"".padEnd(width)}${head}`.trimEnd(), ...rows];
  }
}

function inWords(hosted: readonly Hosted[] | undefined): string {
  if (hosted === undefined) return "nobody says who has which";
  if (hosted.length === 0) return "there are no addresses";
  return hosted.map(({ address, node }) => `${address} at ${node ?? "nobody"}`).join(", ");
}

/** A check fails and is mended; what that does. Throws Failure. */
export async function checkFails(world: AddressWorld, index: number): Promise<void> {
  const name = world.names[index];
  const watch = await AddressWatch.begin(world, "before");
  let awayMs: number;
  let said: readonly string[];
  try {
    world.service(index, false);
    awayMs = await watch.without(index, "check fails");
    said = await world.explainCheck(index);
  } finally {
    world.service(index, true);
  }
  if (said.length === 0) throw wrong(`\`node explain ${name}\` does not name the check that fails`);
  const backMs = await watch.shared("mended");
  world.show(
    "check",
    `the file that a check of ${name} looks for is removed: ${name} has no address any more after ` +
      `${ms(awayMs)}; it is there again: it has some after ${ms(backMs)}`,
    ...watch.table(),
    `meanwhile \`ctdbx node explain ${name}\` says:`,
    ...said.map((line) => `  ${line}`),
  );
}
