/**
 * The state page: what is written is read, by the same process and by others, and a half-written one grants nothing.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type NodeState, STATE_PAGE_BYTES, StatePage } from "../../../actors/storage/state_page.ts";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Generation, Incarnation, Pnn } from "../../../transport/wire/terms.ts";

const PATH = "/run/state";
const STATE: NodeState = {
  incarnation: 0xfedcba9876543210n as Incarnation,
  generation: 0x8000000000000001n as Generation,
  leaseEndNs: 12_345_678_901_234_567n,
  pnn: 0xfffffffe as Pnn,
  frozen: false,
  pid: 4711,
};

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CtdbxError) return error.code;
    throw error;
  }
  return "no error";
}

const test = suite("state page");

test("a reader sees what the writer wrote, all 64 bits of it", () => {
  const images = new SimImageStore({ seed: 1 });
  const page = StatePage.make(images, PATH, STATE);
  const reader = StatePage.open(images, PATH);
  assert.equal(reader.read(), STATE);
  const later = { ...STATE, frozen: true, leaseEndNs: 0n, pnn: 0 as Pnn };
  page.write(later);
  assert.equal(reader.read(), later);
});

test("the supervisor ends the lease and leaves the rest", () => {
  const images = new SimImageStore({ seed: 1 });
  const page = StatePage.make(images, PATH, STATE);
  StatePage.open(images, PATH).endLease();
  assert.equal(page.read(), { ...STATE, leaseEndNs: 0n });
});

test("a page whose writer was stopped in the middle says nothing, until somebody writes again", () => {
  const images = new SimImageStore({ seed: 1 });
  StatePage.make(images, PATH, STATE);
  const image = images.open(PATH);
  const words = new Uint32Array(threadMemory().memory.buffer, image.address, STATE_PAGE_BYTES / 4);
  words[3] = (words[3] as number) + 1;
  const reader = StatePage.open(images, PATH);
  assert.is(reader.read(), undefined);
  reader.endLease();
  assert.equal(reader.read(), { ...STATE, leaseEndNs: 0n });
});

/** Calls `look` behind each word that `work` stores. */
function eachStore(work: () => void, look: () => void): void {
  const { store, add } = Atomics;
  // Both are generic over arrays of numbers and of bigints; what they are given is passed on as it came.
  const traced = (plain: (...args: never[]) => unknown) => (...args: never[]): unknown => {
    const answer = plain(...args);
    look();
    return answer;
  };
  Object.assign(Atomics, { store: traced(store), add: traced(add) });
  try {
    work();
  } finally {
    Object.assign(Atomics, { store, add });
  }
}

test("a renewal is seen at once: no reader finds the page half-written", () => {
  const images = new SimImageStore({ seed: 1 });
  const page = StatePage.make(images, PATH, STATE);
  const reader = StatePage.open(images, PATH);
  const before = reader.sequence;
  // Both halves of the number change.
  const leaseEndNs = STATE.leaseEndNs + 0x1_0000_0001n;
  const seen: unknown[] = [];
  eachStore(() => page.write({ ...STATE, leaseEndNs }), () => seen.push(reader.read()));
  assert.ok(seen.length > 0);
  for (const state of seen) assert.equal(state, { ...STATE, leaseEndNs });
  assert.is.not(reader.sequence, before, "who looks at the sequence only sees that there is news");
});

test("a change of more than that is seen as a whole, or nothing is seen", () => {
  const changes: readonly Partial<NodeState>[] = [
    { generation: 7n as Generation },
    { frozen: true },
    { pnn: 3 as Pnn },
    { pid: 12 },
    { incarnation: 1n as Incarnation },
  ];
  for (const change of changes) {
    const images = new SimImageStore({ seed: 1 });
    const page = StatePage.make(images, PATH, STATE);
    const reader = StatePage.open(images, PATH);
    const next = { ...STATE, leaseEndNs: STATE.leaseEndNs + 1n, ...change };
    const seen: (NodeState | undefined)[] = [];
    eachStore(() => page.write(next), () => seen.push(reader.read()));
    assert.equal(seen.pop(), next);
    for (const state of seen) assert.is(state, undefined);
  }
});

test("a page that a dead writer left half-written is written as a whole, also where nothing else is new", () => {
  const images = new SimImageStore({ seed: 1 });
  const page = StatePage.make(images, PATH, STATE);
  const image = images.open(PATH);
  const words = new Uint32Array(threadMemory().memory.buffer, image.address, STATE_PAGE_BYTES / 4);
  words[3] = (words[3] as number) + 1;
  page.write(STATE);
  assert.equal(page.read(), STATE);
});

test("made over what lies there, whatever it is", () => {
  const images = new SimImageStore({ seed: 1 });
  const junk = images.open(PATH, { create: true });
  junk.extend(3 * STATE_PAGE_BYTES);
  threadMemory().bytes.fill(0xff, junk.address, junk.address + junk.mapped);
  junk.close();
  assert.equal(StatePage.make(images, PATH, STATE).read(), STATE);
  assert.equal(StatePage.make(images, PATH, { ...STATE, pid: 5 }).read(), { ...STATE, pid: 5 });
});

test("a new incarnation has a page of its own; the old one stays as it was left", () => {
  const images = new SimImageStore({ seed: 1 });
  const former = StatePage.make(images, PATH, STATE);
  const client = StatePage.open(images, PATH);
  former.endLease();
  const next = { ...STATE, incarnation: (STATE.incarnation + 1n) as Incarnation };
  StatePage.make(images, PATH, next);
  assert.equal(client.read(), { ...STATE, leaseEndNs: 0n });
  assert.equal(StatePage.open(images, PATH).read(), next);
});

test("what is no page, or one of another format, is refused", () => {
  const images = new SimImageStore({ seed: 1 });
  assert.is(codeOf(() => StatePage.open(images, PATH)), "not_found");
  const image = images.open(PATH, { create: true });
  assert.is(codeOf(() => StatePage.open(images, PATH)), "corrupt");
  image.extend(STATE_PAGE_BYTES);
  assert.is(codeOf(() => StatePage.open(images, PATH)), "corrupt");
  image.close();
  StatePage.make(images, PATH, STATE).close();
  const other = images.open(PATH);
  new Uint32Array(threadMemory().memory.buffer, other.address, 4)[2] = 9;
  assert.is(codeOf(() => StatePage.open(images, PATH)), "version");
});

test.run();
