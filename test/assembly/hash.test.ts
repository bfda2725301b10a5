/**
 * The hash kernels against published vectors, against their TypeScript twins, and at the edges of
 * memory.
 *
 * Does NOT promise: speed; test/bench/kernels.ts measures.
 */

import fc from "fast-check";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernels, setHooks } from "../../assembly/host/kernels.ts";
import {
  MEMORY_BYTES,
  REGIONS_START,
  SCRATCH_START,
  threadMemory,
} from "../../assembly/host/memory.ts";
import { bytesOf, jenkins, oldHash } from "../bench/twins/hash.ts";
import { Arena } from "./arena.ts";
import { halved } from "../limit.ts";

const test = suite("assembly/hash");

/** Bytes below the statics of the kernels. */
const STATICS_START = 1024;
const core = kernels();
const memory = threadMemory();

function vectorText(name: string): string {
  return readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8");
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Runs `use` with an arena that is given back afterwards. */
function withArena(size: number, use: (arena: Arena) => void, atEnd = false): void {
  const arena = new Arena(size, atEnd);
  try {
    use(arena);
  } finally {
    arena.close();
  }
}

test("both hashes of every key that libtdb hashed are libtdb's", () => {
  const vectors: { key: string; len: number; jenkins: number; old: number }[] = JSON.parse(
    vectorText("tdb/hash-vectors.json"),
  );
  assert.ok(vectors.length > 50, "the vectors are there");
  withArena(8192, (arena) => {
    for (const vector of vectors) {
      const key = hex(vector.key);
      assert.is(key.length, vector.len);
      const at = arena.place(key, 3);
      assert.is(core.jenkins(at, key.length) >>> 0, vector.jenkins, `jenkins ${vector.key}`);
      assert.is(core.oldHash(at, key.length) >>> 0, vector.old, `old ${vector.key}`);
      assert.is(jenkins(bytesOf(key), 0, key.length), vector.jenkins, `twin ${vector.key}`);
      assert.is(oldHash(bytesOf(key), 0, key.length), vector.old, `old twin ${vector.key}`);
    }
  });
});

test("keys, their lmaster slots and database ids are ctdb's", () => {
  const pattern = /^(.*?) +jenkins 0x([0-9a-f]{8}) %3=(\d) +db_id\(with NUL\) 0x([0-9a-f]{8})$/;
  const lines = vectorText("jenkins.txt").trimEnd().split("\n");
  assert.is(lines.length, 13);
  withArena(4096, (arena) => {
    for (const line of lines) {
      const [, name = "", value = "", slot = "", id = ""] = pattern.exec(line) ?? [];
      const key = new TextEncoder().encode(name.trim() + "\0");
      const at = arena.place(key, 1);
      const hash = core.jenkins(at, key.length - 1) >>> 0;
      assert.is(hash, parseInt(value, 16), line);
      assert.is(hash % 3, Number(slot), line);
      assert.is(core.jenkins(at, key.length) >>> 0, parseInt(id, 16), line);
    }
  });
});

test("the magic fields of a file header come out, in both byte orders", () => {
  withArena(4096, (arena) => {
    const text = arena.place(new TextEncoder().encode("TDB file\n\0"), 0);
    const little = arena.place(hex("99190126"), 33);
    const big = arena.place(hex("26011999"), 65);
    assert.is(core.oldHash(text, 10) >>> 0, 0xf67d9f0d);
    assert.is(core.oldHash(little, 4) >>> 0, 0x3afef920);
    assert.is(core.oldHash(big, 4) >>> 0, 0x566f1e0f);
    assert.is(core.jenkins(text, 10) >>> 0, 0xd7b694e5);
    assert.is(core.jenkins(little, 4) >>> 0, 0x76b9440e);
    assert.is(core.jenkins(big, 4) >>> 0, 0x123c1283);
  });
});

test("a key of 0..300 bytes at any address hashes as its twin says; nothing is written", () => {
  withArena(4096, (arena) => {
    const key = fc.uint8Array({ minLength: 0, maxLength: 300 });
    fc.assert(
      fc.property(key, fc.integer({ min: 0, max: 70 }), (content, offset) => {
        const at = arena.place(content, offset);
        arena.remember();
        const from = bytesOf(content);
        assert.is(core.jenkins(at, content.length) >>> 0, jenkins(from, 0, content.length));
        assert.is(core.oldHash(at, content.length) >>> 0, oldHash(from, 0, content.length));
        assert.is(arena.changed(), undefined);
      }),
      halved({ numRuns: 500 }),
    );
  });
});

test("every length is hashed whole: each byte of a key counts", () => {
  withArena(4096, (arena) => {
    for (let length = 1; length <= 60; length++) {
      const seen = new Set([core.jenkins(arena.address, length)]);
      const seenOld = new Set([core.oldHash(arena.address, length)]);
      for (let index = 0; index < length; index++) {
        const address = arena.address + index;
        memory.bytes[address] = (memory.bytes[address] ?? 0) ^ 0x81;
        seen.add(core.jenkins(arena.address, length));
        seenOld.add(core.oldHash(arena.address, length));
        memory.bytes[address] = (memory.bytes[address] ?? 0) ^ 0x81;
      }
      assert.is(seen.size, length + 1, `jenkins, length ${length}`);
      // Bytes 24 apart have one weight in the old hash: their changes may meet, others may not.
      assert.ok(seenOld.size > Math.min(length, 24), `old hash, length ${length}`);
    }
  });
});

test("a batch gives what single calls give, and writes its result words only", () => {
  withArena(65536, (arena) => {
    const runs = fc.array(
      fc.record({ offset: fc.nat({ max: 20000 }), length: fc.nat({ max: 300 }) }),
      { maxLength: 100 },
    );
    fc.assert(
      fc.property(runs, fc.nat({ max: 9 }), (keys, shift) => {
        const pairs = arena.address + 24576 + shift;
        const out = arena.address + 40960 + 3 * shift;
        const view = new DataView(memory.bytes.buffer);
        keys.forEach(({ offset, length }, index) => {
          view.setUint32(pairs + 8 * index, arena.address + offset, true);
          view.setUint32(pairs + 8 * index + 4, length, true);
        });
        for (const name of ["jenkins", "oldHash"] as const) {
          arena.remember();
          core[`${name}Many`](pairs, keys.length, out);
          keys.forEach(({ offset, length }, index) => {
            const one = core[name](arena.address + offset, length) >>> 0;
            assert.is(view.getUint32(out + 4 * index, true), one);
          });
          const change = arena.changed() ?? { start: out, end: out };
          assert.ok(change.start >= out && change.end <= out + 4 * keys.length, name);
        }
      }),
      halved({ numRuns: 60 }),
    );
  });
});

test("a key may end with the last byte of memory: nothing beyond is read", () => {
  withArena(4096, (arena) => {
    const from = bytesOf(memory.bytes);
    for (let length = 0; length <= 64; length++) {
      const at = MEMORY_BYTES - length;
      assert.is(core.jenkins(at, length) >>> 0, jenkins(from, at, length), `length ${length}`);
      assert.is(core.oldHash(at, length) >>> 0, oldHash(from, at, length), `length ${length}`);
    }
    // The trap is real: one byte more is refused by the engine.
    assert.throws(() => core.jenkins(MEMORY_BYTES - 15, 16));
    assert.throws(() => core.oldHash(MEMORY_BYTES - 15, 16));
    assert.is(arena.changed(), undefined);
  }, true);
});

test("a key may begin with the first byte of memory: nothing before is read", () => {
  const from = bytesOf(memory.bytes);
  for (let length = 0; length <= 64; length++) {
    assert.is(core.jenkins(0, length) >>> 0, jenkins(from, 0, length), `length ${length}`);
    assert.is(core.oldHash(0, length) >>> 0, oldHash(from, 0, length), `length ${length}`);
  }
});

test("statics lie between 1 KiB and the scratch, and kernels write nowhere else unasked", () => {
  const end = core.staticsEnd();
  assert.ok(end > STATICS_START && end <= SCRATCH_START, `statics end at ${end}`);
  const below = memory.bytes.slice(0, STATICS_START);
  const above = memory.bytes.slice(end, REGIONS_START);
  withArena(65536, (arena) => {
    const out = arena.address + 32768;
    core.jenkins(arena.address, 1000);
    core.oldHash(arena.address, 1000);
    core.crc32c(0, arena.address, 1000);
    assert.is(arena.changed(), undefined);
    core.md5(arena.address, 1000, out);
    core.md5Blocks(arena.address, 7, out);
    const change = arena.changed();
    assert.ok(change !== undefined && change.start >= out && change.end <= out + 7 * 16);
  });
  assert.equal(memory.bytes.slice(0, STATICS_START), below);
  assert.ok(memory.bytes.slice(end, REGIONS_START).every((byte, index) => byte === above[index]));
});

test("a thread has one instance of the kernels", () => {
  assert.is(kernels(), core);
});

test("hooks are refused for what is not a database number", () => {
  for (const db of [-1, 0.5, NaN]) assert.throws(() => setHooks(db, undefined), /db must be/);
});

test.run();
