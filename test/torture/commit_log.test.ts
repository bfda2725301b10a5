/**
 * A commit log that dies at each of its steps: what was acknowledged is there, and what is there is what the log was
 * at some time since.
 *
 *   for n = 1, 2, ...: a life of appends, cuts, seals, new and dropped segments; step n crashes -> reboot -> open
 *
 * Twice for each n: the process was killed (all bytes stay) and the power failed (any part of what was not synced is
 * lost, in sectors). The opening that follows is killed at each of its steps, too.
 *
 * Does NOT promise: anything about what was committed; the machine's tests do.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import type { CommitId } from "../../actors/storage/commit_id.ts";
import type { CommitLog } from "../../actors/storage/commit_log.ts";
import { segmentPath } from "../../actors/storage/commit_segment.ts";
import { SimCrash, type SimImageStore } from "../../transport/sim/image.ts";
import { isBehind } from "../../transport/wire/commit/reach.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { limit } from "../limit.ts";
import { behind, dropBelow, group, openLog, PATH, put, simDisk } from "./commit_rig.ts";

const SEGMENT = 4096;
const STEPS_MAX = 600;

/** What a life of the log is known to have done. */
interface Model {
  /** Chains of all entries, by seq - 1: after what was acknowledged last, and after each step since. */
  states: bigint[][];
}

/** The log, with a note of what it must be. */
class Life {
  readonly model: Model;
  id!: CommitId;
  log!: CommitLog;

  constructor(model: Model) {
    this.model = model;
  }

  get #now(): bigint[] {
    return this.model.states.at(-1) ?? [];
  }

  open(store: SimImageStore): void {
    const { id, log } = openLog(store, SEGMENT);
    this.id = id;
    this.log = log;
  }

  append(sizes: readonly number[], term = 1n): void {
    const writes = sizes.map((size, i) => [put(`key ${i}`, size, Number(this.log.last.seq))]);
    const entry = group(this.log.last, writes, term);
    this.model.states.push([...this.#now, entry.chain]);
    this.log.append(entry);
    assert.equal(this.log.last, behind(entry));
  }

  cut(seq: bigint): void {
    this.model.states.push(this.#now.slice(0, Number(seq)));
    this.log.cut(seq);
  }

  sync(): void {
    this.log.sync();
    this.model.states = [this.#now];
    assert.is(this.log.durableSeq, this.log.last.seq);
  }
}

/** A life that uses all there is. */
function live(life: Life): void {
  life.append([]);
  life.sync();
  life.append([100, 200]);
  life.append([600]);
  life.append([10]);
  life.sync();
  life.log.seal();
  life.append([700, 800], 2n);
  life.append([20], 2n);
  life.cut(4n);
  life.append([5], 3n);
  life.sync();
  life.append([9000], 3n); // a segment of its own
  life.append([40], 3n);
  life.sync();
  dropBelow(life.id, life.log, 5n);
  for (let i = 0; i < 6; i++) life.append([500], 3n);
  life.cut(8n);
  life.sync();
  life.log.seal();
  life.sync();
  life.append([1, 2, 3], 4n);
  life.sync();
}

/** Chains of what can be read, with those that were dropped taken from the state it is compared with. */
function wantOneOf(log: CommitLog, states: readonly (readonly bigint[])[]): void {
  const start = Number(log.shelf.places.start.seq);
  const found: bigint[] = [];
  for (let seq = BigInt(start + 1); seq <= log.last.seq; seq++) {
    const entry = log.shelf.read(seq);
    assert.is(entry?.seq, seq);
    found.push(entry?.chain ?? 0n);
  }
  const matches = states.some((state) =>
    state.length === start + found.length && found.every((chain, i) => chain === state[start + i])
  );
  assert.ok(matches, `${start} + ${found.length} entries, allowed ${states.map((s) => s.length)}`);
}

/** Opens it again; answers false when it crashed at step `m` of that. */
function reopen(store: SimImageStore, model: Model, m: number): boolean {
  const life = new Life(model);
  store.failAt(m, "crash");
  try {
    life.open(store);
  } catch (error) {
    assert.instance(error, SimCrash, String(error));
    return false;
  }
  store.failAt(0, "crash");
  assert.is(life.log.damage, undefined, JSON.stringify(life.log.damage, (_, v) => String(v)));
  wantOneOf(life.log, model.states);
  const before = life.log.last.seq;
  life.model.states = [[
    ...new Array<bigint>(Number(life.log.start.seq)).fill(0n),
    ...chains(life.log),
  ]];
  life.append([33], 9n);
  life.append([700], 9n);
  life.sync();
  life.log.close();
  life.id.close();
  const again = new Life(model);
  again.open(store);
  assert.is(again.log.last.seq, before + 2n);
  again.log.close();
  again.id.close();
  return true;
}

function chains(log: CommitLog): bigint[] {
  const all: bigint[] = [];
  for (let seq = log.start.seq + 1n; seq <= log.last.seq; seq++) {
    all.push(log.shelf.chainOf(seq) ?? 0n);
  }
  return all;
}

/** Lives until step n crashes; true: it got through. */
function attempt(store: SimImageStore, model: Model, n: number): boolean {
  const life = new Life(model);
  store.failAt(n, "crash");
  try {
    life.open(store);
    live(life);
  } catch (error) {
    assert.instance(error, SimCrash, String(error));
    return false;
  }
  life.log.close();
  life.id.close();
  return true;
}

const test = suite("commit log");

/** Others have their turn: the loop is not held for the whole of a test. */
function turn(): Promise<void> {
  return new Promise((go) => setImmediate(go));
}

for (const after of ["process", "power"] as const) {
  test.either(
    `dies at each step (${after})`,
    limit(120_000, async () => {
      const seeds = after === "power" ? 6 : 1;
      for (let n = 1; n <= STEPS_MAX; n++) {
        await turn();
        let through = false;
        for (let seed = 1; seed <= seeds; seed++) {
          const store = simDisk(1000 * n + seed);
          const model: Model = { states: [[]] };
          through = attempt(store, model, n);
          store.failAt(0, "crash");
          store.reboot(after);
          try {
            assert.ok(reopen(store, model, 0));
          } catch (error) {
            throw new Error(`step ${n}, seed ${seed}: ${error}`, { cause: error });
          }
        }
        if (!through) continue;
        assert.ok(n > 60, `only ${n} steps`);
        return;
      }
      throw new Error(`more than ${STEPS_MAX} steps`);
    }),
  );
}

test.either("the opening dies at each of its steps, too (power)", () => {
  let hits = 0;
  for (let n = 7; n < STEPS_MAX; n += 3) {
    for (let m = 1; m < 50; m++) {
      const store = simDisk(100 * n + m);
      const model: Model = { states: [[]] };
      if (attempt(store, model, n)) {
        assert.ok(hits > 40, `${hits} crashes while opening`);
        return;
      }
      store.reboot("power");
      if (reopen(store, model, m)) break;
      hits++;
      store.reboot("power");
      assert.ok(reopen(store, model, 0));
    }
  }
});

test.either("the disk refuses a step: the log is as it was, or must be opened anew and is then as it was", () => {
  for (const code of ["no_space", "io"] as const) {
    for (let n = 1; n <= STEPS_MAX; n++) {
      const store = simDisk(n);
      const life = new Life({ states: [[]] });
      store.failAt(n, code);
      let error: unknown;
      try {
        life.open(store);
        live(life);
      } catch (thrown) {
        error = thrown;
      }
      if (error === undefined) break;
      assert.instance(error, CtdbxError, String(error));
      assert.is((error as CtdbxError).code, code);
      store.failAt(0, code);
      store.reboot("process");
      assert.ok(reopen(store, life.model, 0), `step ${n}`);
    }
  }
});

/** Every file of the log after a whole life, by name. */
function wholeLife(): { store: SimImageStore; model: Model; names: string[] } {
  const store = simDisk(5);
  const model: Model = { states: [[]] };
  assert.ok(attempt(store, model, 0));
  const names = [`${PATH}.id`];
  for (let number = 1; number < 20; number++) {
    if (store.exists(segmentPath(PATH, number))) names.push(segmentPath(PATH, number));
  }
  return { store, model, names };
}

/** What an open log says, or "refused". */
function look(store: SimImageStore, model: Model): "same" | "damaged" | "refused" | "shorter" {
  let opened: ReturnType<typeof openLog>;
  try {
    opened = openLog(store, SEGMENT);
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    return "refused";
  }
  const { id, log } = opened;
  try {
    if (log.damage !== undefined) return "damaged";
    const wanted = model.states[0] ?? [];
    if (log.last.seq !== BigInt(wanted.length)) return "shorter";
    wantOneOf(log, model.states);
    return "same";
  } finally {
    log.close();
    id.close();
  }
}

test.either(
  "every bit that is flipped is found, or means nothing; only the last group may be taken for torn",
  limit(120_000, async () => {
    const { store, model, names } = wholeLife();
    assert.ok(names.length >= 3, names.join());
    const counts = { same: 0, damaged: 0, refused: 0, shorter: 0 };
    const { bytes } = threadMemory();
    for (const name of names) {
      const image = store.open(name);
      const whole = bytes.slice(image.address, image.address + image.mapped);
      for (let at = 0; at < whole.length; at++) {
        if (whole[at] === 0 && at % 37 !== 0) continue;
        bytes[image.address + at] = (whole[at] ?? 0) ^ (1 << (at % 8));
        const seen = look(store, model);
        counts[seen]++;
        if (at % 64 === 0) await turn();
        // What opening did to it is undone: the next bit is flipped in the file as it was.
        bytes.set(whole, image.address);
        if (seen === "shorter") assert.is(name, names.at(-1), `${name} ${at}`);
        for (const other of names) assert.ok(store.exists(other), `${other} after ${name} ${at}`);
      }
      image.close();
    }
    assert.ok(counts.damaged > 500 && counts.refused > 50, JSON.stringify(counts));
    assert.is(look(store, model), "same");
  }),
);

test("a damaged log is mended by giving up what follows the bad place", () => {
  const { store, names } = wholeLife();
  const image = store.open(names[1] as string);
  const { bytes } = threadMemory();
  bytes[image.address + 512 + 100] = (bytes[image.address + 512 + 100] ?? 0) ^ 1;
  image.close();
  const { id, log } = openLog(store, SEGMENT);
  assert.ok(log.damage !== undefined && isBehind(log.last, log.damage.proven));
  assert.throws(() => log.append(group(log.last, [])), /damaged/);
  log.mend();
  log.append(group(log.last, [[put("again", 10)]]));
  log.sync();
  const { last } = log;
  log.close();
  id.close();
  const again = openLog(store, SEGMENT);
  assert.is(again.log.damage, undefined);
  assert.equal(again.log.last, last);
  again.log.close();
  again.id.close();
});

test("segments go from the front, and only with what nobody needs", () => {
  const store = simDisk(3);
  const { id, log } = openLog(store, SEGMENT);
  for (let i = 0; i < 40; i++) log.append(group(log.last, [[put("k", 500, i)]]));
  log.sync();
  assert.is(dropBelow(id, log, 0n), 0);
  const all = log.shelf.space.segments;
  const gone = dropBelow(id, log, 20n);
  assert.ok(gone > 1 && gone < all - 1);
  assert.ok(log.start.seq <= 20n && log.start.seq > 0n);
  assert.is(log.shelf.read(log.start.seq), undefined);
  assert.is(log.shelf.read(21n)?.seq, 21n);
  assert.is(log.shelf.chainOf(log.start.seq), log.start.chain);
  assert.is(dropBelow(id, log, 5n), 0);
  dropBelow(id, log, 1000n);
  assert.is(log.shelf.space.segments, 1);
  assert.is(log.shelf.places.seqOf(40n), 40n);
  assert.is(log.shelf.readFrom(40n, 1).length, 1);
  const { last, start } = log;
  log.close();
  id.close();
  const again = openLog(store, SEGMENT);
  assert.equal(again.log.last, last);
  assert.equal(again.log.start, start);
  again.log.close();
  again.id.close();
});

test.run();
