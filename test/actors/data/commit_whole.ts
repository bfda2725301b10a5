/**
 * Whole nodes in simulated time with one persistent or replicated database, and what programs do with it.
 *
 *   const whole = await attached(71);   await put(whole, 0, "key", "value");   await read(whole, 2, "key");
 *
 * Does NOT promise: programs; what sessions do is done by hand.
 */

import type { CommitOps, TxnEnd, TxnWish } from "../../../actors/data/commit_ops.ts";
import type { ShardParts } from "../../../actors/data/shard.ts";
import type { AttachOptions } from "../../../actors/data/types.ts";
import { b, t } from "./data_rig.ts";
import { Whole } from "./whole.ts";

/** The database of these tests. */
export const NAME = "accounts";
/** All nodes. */
export const ALL = [0, 1, 2];

/** Begins, and answers, when virtual time goes on. */
export async function awaited<T>(whole: Whole, promise: Promise<T>, limitMs = 20_000): Promise<T> {
  let end: { readonly value: T } | { readonly error: unknown } | undefined;
  promise.then((value) => end = { value }, (error) => end = { error });
  await whole.until(() => end !== undefined, limitMs);
  const seen = end as unknown as { readonly value: T } | { readonly error: unknown };
  if ("error" in seen) throw seen.error;
  return seen.value;
}

/** The database at a node. */
export function opsAt(whole: Whole, n: number, name = NAME): CommitOps {
  const ops = whole.shards[n]?.host.database(name)?.commits;
  if (ops === undefined) throw new Error(`${name} is not at node ${n}`);
  return ops;
}

/** Does somebody take transactions? */
export function isServed(whole: Whole, name = NAME): boolean {
  return whole.shards.some((shard) =>
    shard?.host.database(name)?.commits?.look().serving === "serving"
  );
}

/** Three nodes that have the database, and a primary that serves. */
export async function attached(
  seed: number,
  options: Partial<AttachOptions> = {},
  made: Partial<ShardParts> = {},
): Promise<Whole> {
  const whole = await Whole.up(seed, 3, made);
  const { clock } = whole.cluster.machines[1]!.world!;
  const wish: AttachOptions = { create: true, kind: "persistent", hashSize: 101, ...options };
  await awaited(whole, whole.shards[1]!.host.attach(NAME, wish, clock.nowMs() + 10_000));
  await whole.until(() => ALL.every((n) => whole.shards[n]?.host.database(NAME) !== undefined));
  await whole.until(() => isServed(whole));
  return whole;
}

/** A transaction of a new program. */
export function transact(
  whole: Whole,
  n: number,
  wish: TxnWish,
  limitMs = 10_000,
): Promise<TxnEnd> {
  const { clock } = whole.cluster.machines[n]!.world!;
  const client = whole.shards[n]!.host.newClient();
  return awaited(whole, opsAt(whole, n).transact(client, wish, clock.nowMs() + limitMs));
}

/** Writes one value; answers the version. */
export async function put(whole: Whole, n: number, key: string, value: string): Promise<bigint> {
  const end = await transact(whole, n, { reads: [], writes: [{ key, value: b(value) }] });
  if (end.outcome !== "committed") throw new Error(`${end.outcome}: ${end.why}`);
  return end.dbseq;
}

/** Reads one value. */
export async function read(
  whole: Whole,
  n: number,
  key: string,
  how: "local" | "latest" = "latest",
): Promise<{ value: string | undefined; version: bigint }> {
  const { lineage: _, ...found } = await readOf(whole, n, key, how);
  return found;
}

/** Reads one value, and of which history it is. */
export async function readOf(
  whole: Whole,
  n: number,
  key: string,
  how: "local" | "latest" = "latest",
): Promise<{ value: string | undefined; version: bigint; lineage: bigint }> {
  const { clock } = whole.cluster.machines[n]!.world!;
  const read = await awaited(whole, opsAt(whole, n).read([key], how, clock.nowMs() + 10_000));
  if (!read.ok) throw new Error(`${read.code}: ${read.why}`);
  const [found] = read.values;
  return {
    value: t(found?.value),
    version: found?.version ?? 0n,
    lineage: read.lineage ?? 0n,
  };
}
