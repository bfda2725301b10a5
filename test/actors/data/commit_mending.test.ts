/**
 * Files of persistent databases that rot, on whole nodes in simulated time: what is bad is found before it is used, and
 * mended from the other copies without a command; what nobody has is refused by name, until somebody has it.
 */

import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../../assembly/host/memory.ts";
import type { SimImageStore } from "../../../transport/sim/image.ts";
import { ALL, attached, isServed, NAME, opsAt, put, read, transact } from "./commit_whole.ts";
import { headOf } from "../../../actors/storage/commit_open.ts";
import { pagesOnWay } from "../../../actors/storage/commit_known.ts";
import { CommitStore } from "../../../actors/storage/commit_store.ts";
import { SEQ_KEY } from "../../../actors/storage/commit_stage.ts";
import { STATE } from "../sim_nodes.ts";
import { b } from "./data_rig.ts";
import type { Whole } from "./whole.ts";

const test = suite("files that heal");

const PAGE = 4096;

/** Where the file of the database lies at a node. */
function pathAt(whole: Whole, n: number): string {
  const { since } = whole.shards[n]!.commits[0]!;
  return `${STATE}/persistent/${NAME}.${since}/${NAME}.tdb`;
}

/** Changes one bit of a byte of a file, past everybody. */
function flip(images: SimImageStore, path: string, offset: number): void {
  const image = images.open(path);
  const { bytes } = threadMemory();
  bytes[image.address + offset] = (bytes[image.address + offset] ?? 0) ^ 4;
  image.close();
}

/** Where a text stands in a file. */
function whereIs(images: SimImageStore, path: string, text: string): number {
  const image = images.open(path);
  try {
    const at = Buffer.from(threadMemory().bytes.buffer, image.address, image.mapped).indexOf(text);
    if (at >= 0) return at;
  } finally {
    image.close();
  }
  throw new Error(`${text} is not in ${path}`);
}

/** Places of values whose pages the opening of the file does not need, of different pages. */
function farPlaces(whole: Whole, n: number): { key: string; offset: number }[] {
  const { file } = whole.shards[n]!.commits[0]!.disk!;
  const seen = new Set(pagesOnWay(file.core, headOf(file.core, SEQ_KEY)));
  const { images } = whole.cluster.machines[n]!;
  const places = [];
  for (let i = 0; i < 40; i++) {
    const offset = whereIs(images, pathAt(whole, n), `value of ${i} `);
    const page = Math.floor(offset / PAGE);
    if (seen.has(page)) continue;
    seen.add(page);
    places.push({ key: `key ${i}`, offset });
  }
  assert.ok(places.length >= 3, `${places.length} pages`);
  return places;
}

/** What the node tells people of its files. */
function toldAt(whole: Whole, n: number): string[] {
  return whole.cluster.nodes[n]!.state.history.list().flatMap(({ happening }) =>
    happening.what === "mended" || happening.what === "damaged"
      ? [`${happening.what}: ${happening.why}`]
      : []
  );
}

const isMended = (whole: Whole, n: number) => (): boolean =>
  toldAt(whole, n).some((text) => text.startsWith("mended"));

/** Stores all keys in one transaction. */
async function putAll(whole: Whole, n: number, valueOf: (i: number) => string): Promise<void> {
  const writes = Array.from({ length: 40 }, (_, i) => ({ key: `key ${i}`, value: b(valueOf(i)) }));
  const end = await transact(whole, n, { reads: [], writes });
  assert.is(end.outcome, "committed");
}

async function filled(seed: number, made: Parameters<typeof attached>[2] = {}): Promise<Whole> {
  const whole = await attached(seed, {}, made);
  await putAll(whole, 0, (i) => `value of ${i} ${"x".repeat(400)}`);
  // All of it is in the files.
  await whole.until(() => ALL.every((n) => whole.shards[n]!.commits[0]!.disk!.file.dbseq === 1n));
  return whole;
}

const primaryOf = (whole: Whole): number => opsAt(whole, 0).look().primary as number;
const otherOf = (whole: Whole): number => ALL.find((n) => n !== primaryOf(whole)) as number;

for (const who of ["primary", "copy"] as const) {
  test.either(`a bit flips in the file of a running ${who}: found, and mended from another node`, async () => {
    const whole = await filled(who === "primary" ? 301 : 302);
    const n = who === "primary" ? primaryOf(whole) : otherOf(whole);
    const { images } = whole.cluster.machines[n]!;
    const offset = whereIs(images, pathAt(whole, n), "value of 7 ");
    flip(images, pathAt(whole, n), offset);
    await whole.until(isMended(whole, n), 60_000);
    assert.match(
      toldAt(whole, n).at(-1)!,
      new RegExp(`page ${Math.floor(offset / PAGE)} was .* from `),
    );
    assert.is(whereIs(images, pathAt(whole, n), "value of 7 "), offset);
    assert.match((await read(whole, n, "key 7", "local")).value ?? "", /^value of 7 x/);
    await put(whole, n, "after", "on");
    for (const m of ALL) assert.is((await read(whole, m, "after")).value, "on");
    const { health } = whole.shards[n]!.commits[0]!;
    const { state, bad, mended, files } = health.look();
    assert.equal({ state, bad, mended, files }, { state: "well", bad: 1, mended: 1, files: 0 });
    assert.is(
      primaryOf(whole),
      who === "primary" ? n : primaryOf(whole),
      "nobody had to take over",
    );
  });
}

test.either("bits flip while a node is stopped: mended before anything of it is read", async () => {
  const whole = await filled(303);
  const n = otherOf(whole);
  const path = pathAt(whole, n);
  const { images } = whole.cluster.machines[n]!;
  const places = farPlaces(whole, n).slice(0, 3);
  whole.crash(n);
  for (const { offset } of places) flip(images, path, offset);
  await whole.cluster.start(n);
  await whole.until(isMended(whole, n), 60_000);
  for (let i = 0; i < 40; i++) {
    assert.match(
      (await read(whole, n, `key ${i}`, "local")).value ?? "",
      new RegExp(`^value of ${i} x`),
    );
  }
  await whole.until(() => opsAt(whole, n).look().own === "in_sync", 60_000);
});

test.either("the others have changed the page since: their file takes the place of this one", async () => {
  const whole = await filled(304);
  const n = otherOf(whole);
  const path = pathAt(whole, n);
  const { images } = whole.cluster.machines[n]!;
  const [place] = farPlaces(whole, n);
  whole.crash(n);
  flip(images, path, place!.offset);
  const [one = 0] = ALL.filter((m) => m !== n);
  await putAll(whole, one, (i) => `new ${i} ${"y".repeat(400)}`);
  const others = ALL.filter((m) => m !== n).map((m) => whole.shards[m]!.commits[0]!.disk!);
  await whole.until(() => others.every(({ file }) => file.dbseq === 2n));
  await whole.cluster.start(n);
  await whole.until(isMended(whole, n), 60_000);
  assert.match(toldAt(whole, n).at(-1)!, /taken anew from/);
  for (let i = 0; i < 40; i++) {
    assert.match((await read(whole, n, `key ${i}`)).value ?? "", new RegExp(`^new ${i} y`));
  }
  await whole.until(() => opsAt(whole, n).look().own === "in_sync", 60_000);
  const { health, disk } = whole.shards[n]!.commits[0]!;
  assert.is(health.look().files, 1);
  assert.equal(disk!.file.scrub(0, disk!.file.pages).bad, []);
});

test.either("nobody has it: refused, with the page; and mended by itself when somebody has", async () => {
  const whole = await filled(305);
  const paths = ALL.map((n) => pathAt(whole, n));
  const stores = ALL.map((n) => whole.cluster.machines[n]!.images);
  const [{ key, offset }] = farPlaces(whole, 0) as [{ key: string; offset: number }];
  const value = new RegExp(`^${key.replace("key", "value of")} x`);
  for (const n of ALL) whole.crash(n);
  const flipAt = (n: number): void => flip(stores[n]!, paths[n]!, offset);
  ALL.forEach(flipAt);
  for (const n of ALL) await whole.cluster.start(n);
  await whole.until(
    () => ALL.every((n) => whole.shards[n]?.host.database(NAME) !== undefined),
    60_000,
  );
  const page = new RegExp(`page ${Math.floor(offset / PAGE)} of its file .* no other node has it`);
  const isRefused = (n: number): boolean => page.test(opsAt(whole, n).look().trouble ?? "");
  await whole.until(() => ALL.every(isRefused), 60_000);
  const { clock } = whole.cluster.machines[0]!.world!;
  const refused = await opsAt(whole, 0).read([key], "local", clock.nowMs() + 1000);
  assert.equal(refused.ok ? "read" : refused.code, "damaged");
  // It is as it was again at one node only.
  flipAt(2);
  await whole.until(() => ALL.every((n) => opsAt(whole, n).look().trouble === undefined), 60_000);
  await whole.until(() => isServed(whole), 60_000);
  for (const n of ALL) assert.match((await read(whole, n, key)).value ?? "", value);
});

for (const who of ["primary", "copy"] as const) {
  test.either(`a change meets a bad page at the ${who}: it waits until that is mended`, async () => {
    const seed = who === "primary" ? 321 : 322;
    const whole = await filled(seed, { commits: { scrub: { pages: 0 } } });
    const n = who === "primary" ? primaryOf(whole) : otherOf(whole);
    const [{ key, offset }] = farPlaces(whole, n) as [{ key: string; offset: number }];
    flip(whole.cluster.machines[n]!.images, pathAt(whole, n), offset);
    const writer = ALL.find((m) => m !== n) as number;
    await put(whole, writer, key, `new ${"y".repeat(400)}`);
    await whole.until(isMended(whole, n), 60_000);
    for (const m of ALL) assert.match((await read(whole, m, key)).value ?? "", /^new y/);
    await put(whole, writer, "after", "on");
    for (const m of ALL) assert.is((await read(whole, m, "after")).value, "on");
    await whole.until(
      () => opsAt(whole, writer).look().copies.every(({ role }) => role !== "copy"),
      60_000,
    );
    await whole.until(() => whole.shards[n]!.commits[0]!.disk!.file.dbseq >= 3n);
    const { disk } = whole.shards[n]!.commits[0]!;
    assert.equal(disk!.file.scrub(0, disk!.file.pages).bad, []);
  });
}

const ENDS = [
  ...[[".id", [8, PAGE + 8]], [".sum", [12]], ["", [12]]] as const,
  ...[[".log.1", [20]], [".log.1", [5 * 512 + 100]]] as const,
] as const;

for (const [at, [end, places]] of ENDS.entries()) {
  const what = `byte ${places[0]} of ${end || "the file"}`;
  test.either(`${what} is damaged: put aside, and taken anew from a whole copy`, async () => {
    const whole = await filled(306 + at);
    const n = otherOf(whole);
    const path = pathAt(whole, n);
    const { images } = whole.cluster.machines[n]!;
    const { id } = whole.shards[n]!.commits[0]!.disk!;
    whole.crash(n);
    for (const place of places) flip(images, path + end, place);
    await whole.cluster.start(n);
    await whole.until(() => toldAt(whole, n).length > 0, 60_000);
    assert.match(toldAt(whole, n).join("\n"), /put aside in .*trash.* has it whole/);
    assert.ok(images.exists(`${STATE}/trash/${path.split("/").at(-2)}.damaged1/${NAME}.tdb`));
    const isBack = (): boolean => {
      const disk = whole.shards[n]?.commits[0]?.disk;
      return disk !== undefined && disk.id !== id && opsAt(whole, n).look().own === "in_sync";
    };
    await whole.until(isBack, 60_000);
    for (let i = 0; i < 40; i++) {
      const { value = "" } = await read(whole, n, `key ${i}`);
      assert.match(value, new RegExp(`^value of ${i} x`));
    }
  });
}

test.either("the log's end is damaged, and the primary's log begins later: put aside, and taken anew", async () => {
  const whole = await attached(320, { replicas: 2 });
  await putAll(whole, 0, (i) => `value of ${i} ${"x".repeat(400)}`);
  const primary = primaryOf(whole);
  const n = ALL.find((m) => m !== primary && opsAt(whole, m).look().own === "in_sync") as number;
  const path = pathAt(whole, n);
  const { images } = whole.cluster.machines[n]!;
  const { id } = whole.shards[n]!.commits[0]!.disk!;
  await whole.until(() => whole.shards[n]!.commits[0]!.disk!.file.dbseq === 1n);
  for (let i = 0; i < 4; i++) await put(whole, primary, "late", `late value ${i}`);
  whole.crash(n);
  // Behind it stand entries that say that it was on the disk.
  flip(images, `${path}.log.1`, whereIs(images, `${path}.log.1`, "late value 1"));
  // As if the primary had come by pages.
  const { replica } = whole.shards[primary]!.commits[0]!.machine!.state;
  replica.log.forget(replica.applied.seq);
  replica.first = replica.log.base.seq + 1n;
  await whole.cluster.start(n);
  await whole.until(() => toldAt(whole, n).length > 0, 60_000);
  assert.match(toldAt(whole, n).join("\n"), /ends at .* put aside in .*trash.* has it whole/);
  const isBack = (): boolean => {
    const disk = whole.shards[n]?.commits[0]?.disk;
    return disk !== undefined && disk.id !== id && opsAt(whole, n).look().own === "in_sync";
  };
  await whole.until(isBack, 60_000);
  await put(whole, n, "after", "on");
  assert.is((await read(whole, n, "late")).value, "late value 3");
});

test.either("the log's end is damaged, and it dies while that is filled: alone it does not lead", async () => {
  const whole = await attached(321, { replicas: 2 });
  const primary = primaryOf(whole);
  const n = ALL.find((m) => m !== primary && opsAt(whole, m).look().own === "in_sync") as number;
  const path = pathAt(whole, n);
  const { images } = whole.cluster.machines[n]!;
  for (let i = 0; i < 6; i++) await put(whole, primary, "late", `late value ${i}`);
  whole.crash(n);
  flip(images, `${path}.log.1`, whereIs(images, `${path}.log.1`, "late value 2"));
  const store = await CommitStore.open(images, path, {
    ...{ fresh: { lineage: 0n, diskId: "0".repeat(32), logId: 1n }, locking: "none" },
  });
  const { last } = store.opened;
  const { log } = whole.shards[primary]!.commits[0]!.machine!.state.replica;
  // One of those that are lost has come from the primary, and was synced.
  store.write({ entries: [log.entry(last.seq + 1n)!] });
  store.close();
  whole.crash(primary);
  await whole.cluster.start(n);
  const own = () => whole.shards[n]?.host.database(NAME)?.commits?.look();
  await whole.until(() => own()?.cause === "damaged");
  // The leader, whoever it is, has heard of nothing else that could lead.
  const texts = () =>
    ALL.flatMap((m) => whole.cluster.machines[m]!.world?.log.entries ?? []).map(({ text }) => text);
  await whole.until(() => texts().some((text) => /those that are here is damaged/.test(text)));
  assert.not.ok(isServed(whole));
  assert.is(opsAt(whole, n).look().primary, primary);
  await whole.cluster.start(primary);
  await whole.until(() => isServed(whole) && opsAt(whole, n).look().cause === undefined, 60_000);
  assert.is((await read(whole, n, "late")).value, "late value 5");
  await put(whole, n, "late", "on");
  assert.is((await read(whole, n, "late")).value, "on");
});

test.run();
