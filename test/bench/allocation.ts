/**
 * Allocation of addresses: the LCP2 kernels beside their TypeScript twin, beside the straightforward version, and
 * beside stock CTDB's own program where Debian's package ctdb is there.
 *
 *   npm run bench -- allocation [--deno] [--rounds N] [--quick]
 *
 *   none       nobody has an address: all are placed          back    a node that was down has none: some move to it
 *   dead       a node that had its share is down              calm    nothing is to be done
 *
 * A round runs kernels and twin once each, in turn; the best of the rounds counts. The straightforward version and
 * the peer run once, since they take up to a minute. All make the same plan, or the benchmark ends; the hash of all
 * plans is printed.
 *
 * --quick: 90 addresses on 8 nodes, to show that it works.
 *
 * Does NOT promise: the peer's time as that of its algorithm alone: it starts a process, asks a stand-in for the
 * daemon about each node's addresses, and sends its plan; that is measured apart, with a plan in which nothing is done.
 */

import { createHash } from "node:crypto";
import process from "node:process";
import type { PlanAddress, PlanInput } from "../../actors/machines/addresses/plan/plan.ts";
import { openLcp2Table, type OpenSums } from "../../actors/machines/addresses/plan/lcp2.ts";
import { planAddresses } from "../../actors/machines/addresses/plan/plan_addresses.ts";
import { addressOfKey, keyOfAddress } from "../../transport/wire/address.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { planPlainly } from "../actors/machines/addresses/plan/plainly.ts";
import { missingTakeoverHelper, type PeerPlan, TakeoverPeer } from "../peer/ctdb_takeover.ts";
import { Lcp2Twin } from "./twins/lcp2.ts";

/** What is planned. */
type Situation = "none" | "dead" | "back" | "calm";

/** One line of the table. */
interface Contest {
  readonly addresses: number;
  readonly nodes: number;
  readonly situation: Situation;
  /** Longest time that the kernels may take, ms. */
  readonly barMs?: number;
  /** The slow ones run, too. */
  readonly hasSlow?: boolean;
}

const CONTESTS: readonly Contest[] = [
  { addresses: 900, nodes: 32, situation: "none", barMs: 100, hasSlow: true },
  { addresses: 900, nodes: 32, situation: "dead", hasSlow: true },
  { addresses: 900, nodes: 32, situation: "back", hasSlow: true },
  { addresses: 900, nodes: 32, situation: "calm", hasSlow: true },
  { addresses: 10_000, nodes: 100, situation: "none", barMs: 5000 },
  { addresses: 10_000, nodes: 100, situation: "dead" },
  { addresses: 10_000, nodes: 100, situation: "back" },
];
/** The same, small. */
export const QUICK: readonly Contest[] = (["none", "dead", "back", "calm"] as const)
  .map((situation) => ({ addresses: 90, nodes: 8, situation, hasSlow: true }));

/** Addresses of one network, then the next one. */
const NETWORK = 200;

/** A line of the result, times in ms; the best of the rounds. */
export interface AllocationRow {
  readonly name: string;
  readonly steps: number;
  /** The first run, in which the runtime compiles what it meets. */
  readonly firstMs: number;
  /** Its processor time, all threads of the process: what is left of it on a busy machine. */
  readonly firstCpuMs: number;
  readonly kernelMs: number;
  readonly twinMs: number;
  readonly plainMs?: number;
  readonly peerMs?: number;
  readonly barMs?: number;
}

const openTwin: OpenSums = (keys, nodes) => new Lcp2Twin(keys, nodes);

function all(nodes: number): Pnn[] {
  return Array.from({ length: nodes }, (_, pnn) => pnn as Pnn);
}

function inputOf({ addresses, nodes, situation }: Contest): PlanInput {
  const fresh = Array.from({ length: addresses }, (_, at): PlanAddress => ({
    address: addressOfKey([
      0,
      0,
      0,
      0x0a000000 + Math.floor(at / NETWORK) * 256 + at % NETWORK + 1,
    ]),
    owner: undefined,
    able: all(nodes),
  }));
  const none: PlanInput = { algorithm: "lcp2", nodeCount: nodes, addresses: fresh };
  const whole = all(nodes);
  const without = whole.slice(0, -1);
  switch (situation) {
    case "none":
      return none;
    case "dead":
      return ableNow(carriedOut(none), without);
    case "back":
      return ableNow(carriedOut(ableNow(none, without)), whole);
    case "calm":
      return carriedOut(none);
  }
}

function ableNow(input: PlanInput, able: readonly Pnn[]): PlanInput {
  return { ...input, addresses: input.addresses.map((one) => ({ ...one, able })) };
}

/** The input with the owners of its own plan. */
function carriedOut(input: PlanInput): PlanInput {
  const owners = new Map(planAddresses(input).addresses.map(({ address, to }) => [address, to]));
  const addresses = input.addresses.map((one) => ({ ...one, owner: owners.get(one.address) }));
  return { ...input, addresses };
}

async function timed<T>(run: () => T | Promise<T>): Promise<{ ms: number; result: T }> {
  const start = performance.now();
  const result = await run();
  return { ms: performance.now() - start, result };
}

/** Owners as text: what all contestants must agree on. */
function textOf(owners: readonly number[]): string {
  return owners.join();
}

async function hold(
  contest: Contest,
  rounds: number,
  peer: TakeoverPeer | undefined,
): Promise<{ row: AllocationRow; plan: string }> {
  const input = inputOf(contest);
  const before = process.cpuUsage();
  const first = await timed(() => planAddresses(input));
  const { user, system } = process.cpuUsage(before);
  const firstCpuMs = (user + system) / 1000;
  const { addresses, steps } = first.result;
  const plan = textOf(addresses.map(({ to }) => to ?? -1));
  const agree = (name: string, other: string): void => {
    if (other !== plan) {
      throw new Error(`Cannot compare ${nameOf(contest)}: ${name} plans otherwise`);
    }
  };
  const best = { kernel: Infinity, twin: Infinity };
  for (let round = 0; round < rounds; round++) {
    for (const [name, open] of [["kernel", openLcp2Table], ["twin", openTwin]] as const) {
      const { ms, result } = await timed(() => planAddresses(input, open));
      best[name] = Math.min(best[name], ms);
      agree(name, textOf(result.addresses.map(({ to }) => to ?? -1)));
    }
  }
  const slow = contest.hasSlow ? await slowOnes(input, peer, agree) : {};
  const bar = contest.barMs === undefined ? {} : { barMs: contest.barMs };
  const times = { firstMs: first.ms, firstCpuMs, kernelMs: best.kernel, twinMs: best.twin };
  return { row: { name: nameOf(contest), steps: steps.length, ...times, ...slow, ...bar }, plan };
}

async function slowOnes(
  input: PlanInput,
  peer: TakeoverPeer | undefined,
  agree: (name: string, plan: string) => void,
): Promise<{ plainMs: number; peerMs?: number }> {
  const { nodeCount: nodes } = input;
  const addresses = input.addresses.map(({ address, owner, able }) => ({
    words: keyOfAddress(address),
    owner: owner ?? -1,
    able: all(nodes).map((pnn) => able.includes(pnn)),
  }));
  const more = { forced: [], noFailback: false, noTakeover: false } as const;
  const plain = await timed(() => planPlainly({ algorithm: "lcp2", nodes, addresses, ...more }));
  agree("the straightforward version", textOf(plain.result.map(({ owner }) => owner)));
  if (peer === undefined) return { plainMs: plain.ms };
  const known = all(nodes);
  const isUp = (pnn: Pnn): boolean => input.addresses[0]?.able.includes(pnn) ?? true;
  const asked = await timed<PeerPlan>(() =>
    peer.plan({
      algorithm: 2,
      flags: known.map((pnn) => isUp(pnn) ? 0 : 2),
      addresses: input.addresses.map(({ address, owner }) => ({
        address,
        owner: owner ?? -1,
        known,
      })),
      ...more,
    })
  );
  const owners = planAddresses(input).addresses.map(({ address }) =>
    asked.result.get(address) ?? -1
  );
  agree("stock CTDB", textOf(owners));
  return { plainMs: plain.ms, peerMs: asked.ms };
}

function nameOf({ addresses, nodes, situation }: Contest): string {
  return `${addresses} on ${nodes}, ${situation}`;
}

/** Measures all contests, `rounds` times (>= 1). `digest`: MD5 of all plans, hex. */
export async function measureAllocation(
  contests: readonly Contest[],
  rounds: number,
  hasPeer: boolean,
): Promise<{ rows: AllocationRow[]; digest: string }> {
  const peer = hasPeer ? new TakeoverPeer() : undefined;
  await peer?.open();
  try {
    const rows: AllocationRow[] = [];
    const sum = createHash("md5");
    for (const contest of contests) {
      const { row, plan } = await hold(contest, rounds, peer);
      rows.push(row);
      sum.update(plan);
    }
    return { rows, digest: sum.digest("hex") };
  } finally {
    await peer?.close();
  }
}

function table(rows: readonly AllocationRow[]): string {
  const ms = (value: number | undefined) => value === undefined ? "" : value.toFixed(1);
  const bar = ({ barMs, firstMs }: AllocationRow) =>
    barMs === undefined ? "" : `<= ${barMs} ${firstMs <= barMs ? "met" : "MISSED"}`;
  const head = ["ms", "steps", "first", "its CPU", "kernels", "twin", "plain", "stock ctdb", "bar"];
  const lines = rows.map((row) => [
    row.name,
    `${row.steps}`,
    ...[row.firstMs, row.firstCpuMs, row.kernelMs, row.twinMs, row.plainMs, row.peerMs].map(ms),
    bar(row),
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...lines].map((cells) => (cells[column] ?? "").length))
  );
  return [head, ...lines].map((cells) =>
    cells.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd()
  ).join("\n");
}

async function main(words: readonly string[]): Promise<void> {
  const rounds = Number(words[words.indexOf("--rounds") + 1] ?? 3) || 3;
  const missing = missingTakeoverHelper();
  if (missing !== undefined) console.log(`without stock CTDB: ${missing}`);
  const contests = words.includes("--quick") ? QUICK : CONTESTS;
  const { rows, digest } = await measureAllocation(contests, rounds, missing === undefined);
  console.log(`${table(rows)}\nplans ${digest}`);
}

if (import.meta.main) await main(process.argv.slice(2));
