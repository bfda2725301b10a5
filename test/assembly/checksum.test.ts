/**
 * CRC32C against the values of RFC 3720 and MD5 against node:crypto; both against their twins and
 * at the edges.
 *
 * Does NOT promise: speed; test/bench/kernels.ts measures.
 */

import fc from "fast-check";
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernels } from "../../assembly/host/kernels.ts";
import { MEMORY_BYTES, threadMemory } from "../../assembly/host/memory.ts";
import { measureKernels } from "../bench/kernels.ts";
import { crc32c } from "../bench/twins/crc32c.ts";
import { bytesOf } from "../bench/twins/hash.ts";
import { md5 } from "../bench/twins/md5.ts";
import { Arena } from "./arena.ts";
import { halved } from "../limit.ts";

const test = suite("assembly/checksum");

const BLOCK_SIZE = 4096;
const core = kernels();
const memory = threadMemory();

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function cryptoMd5(content: Uint8Array): string {
  return createHash("md5").update(content).digest("hex");
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

test("CRC32C has the values of RFC 3720 and of the check string", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
  const vectors: [Uint8Array, number][] = [
    [new TextEncoder().encode("123456789"), 0xe3069283],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(255), 0x62a8ab43],
    [ascending, 0x46dd794e],
    [ascending.slice().reverse(), 0x113fdb5c],
    [new Uint8Array(0), 0],
  ];
  withArena(4096, (arena) => {
    for (const [content, value] of vectors) {
      const at = arena.place(content, 5);
      assert.is(core.crc32c(0, at, content.length) >>> 0, value);
      assert.is(crc32c(0, bytesOf(content), 0, content.length), value);
    }
  });
});

test("CRC32C of any 0..300 bytes at any address is the twin's, whole or in pieces", () => {
  withArena(4096, (arena) => {
    const content = fc.uint8Array({ minLength: 0, maxLength: 300 });
    fc.assert(
      fc.property(content, fc.nat({ max: 70 }), fc.nat({ max: 300 }), (bytes, offset, cut) => {
        const at = arena.place(bytes, offset);
        arena.remember();
        const whole = core.crc32c(0, at, bytes.length) >>> 0;
        assert.is(whole, crc32c(0, bytesOf(bytes), 0, bytes.length));
        const first = Math.min(cut, bytes.length);
        const begun = core.crc32c(0, at, first);
        assert.is(core.crc32c(begun, at + first, bytes.length - first) >>> 0, whole);
        assert.is(arena.changed(), undefined);
      }),
      halved({ numRuns: 500 }),
    );
  });
});

test("MD5 of every length 0..300 is node:crypto's and the twin's; 16 bytes are written", () => {
  withArena(4096, (arena) => {
    for (let length = 0; length <= 300; length++) {
      arena.reset();
      const at = arena.address + (length % 7);
      const out = arena.address + 2048 + (length % 5);
      const content = arena.read(at, length);
      core.md5(at, length, out);
      const expected = cryptoMd5(content);
      assert.is(hex(arena.read(out, 16)), expected, `length ${length}`);
      assert.is(hex(md5(bytesOf(content), 0, length)), expected, `twin, length ${length}`);
      const change = arena.changed();
      assert.ok(change !== undefined && change.start >= out && change.end <= out + 16);
    }
  });
});

test("MD5 of 0..13 blocks, whatever is left over from four, is node:crypto's for each", () => {
  withArena(65536, (arena) => {
    for (let count = 0; count <= 13; count++) {
      arena.reset();
      const at = arena.address + count;
      const out = arena.address + 60000 + count;
      core.md5Blocks(at, count, out);
      const change = arena.changed() ?? { start: out, end: out };
      assert.ok(change.start >= out && change.end <= out + 16 * count, `${count} blocks`);
      for (let block = 0; block < count; block++) {
        const content = arena.read(at + block * BLOCK_SIZE, BLOCK_SIZE);
        const digest = hex(arena.read(out + 16 * block, 16));
        assert.is(digest, cryptoMd5(content), `block ${block} of ${count}`);
      }
    }
  });
});

test("random blocks at random addresses: MD5 by lanes is MD5 by node:crypto", () => {
  withArena(65536, (arena) => {
    const shape = fc.record({
      seed: fc.integer(),
      count: fc.integer({ min: 1, max: 6 }),
      offset: fc.nat({ max: 4095 }),
    });
    fc.assert(
      fc.property(shape, ({ seed, count, offset }) => {
        const at = arena.address + offset;
        const out = arena.address + 61440;
        let state = seed;
        for (let index = 0; index < count * BLOCK_SIZE; index++) {
          state = (Math.imul(state, 1664525) + 1013904223) | 0;
          memory.bytes[at + index] = state >>> 24;
        }
        core.md5Blocks(at, count, out);
        for (let block = 0; block < count; block++) {
          const content = arena.read(at + block * BLOCK_SIZE, BLOCK_SIZE);
          assert.is(hex(arena.read(out + 16 * block, 16)), cryptoMd5(content));
        }
      }),
      halved({ numRuns: 40 }),
    );
  });
});

test("numbered pages: MD5 of content and number is node:crypto's, for any count and any numbers", () => {
  withArena(65536, (arena) => {
    const shape = fc.record({
      seed: fc.integer(),
      numbers: fc.array(fc.nat({ max: 0xffffffff }), { minLength: 1, maxLength: 9 }),
      offset: fc.nat({ max: 4095 }),
    });
    fc.assert(
      fc.property(shape, ({ seed, numbers, offset }) => {
        const at = arena.address + offset;
        const list = arena.address + 60000;
        const out = arena.address + 61440;
        let state = seed;
        for (let index = 0; index < numbers.length * BLOCK_SIZE; index++) {
          state = (Math.imul(state, 1664525) + 1013904223) | 0;
          memory.bytes[at + index] = state >>> 24;
        }
        numbers.forEach((number, index) => memory.words[list / 4 + index] = number);
        core.md5Pages(at, list, numbers.length, out);
        for (const [index, number] of numbers.entries()) {
          const content = new Uint8Array(BLOCK_SIZE + 8);
          content.set(arena.read(at + index * BLOCK_SIZE, BLOCK_SIZE));
          new DataView(content.buffer).setUint32(BLOCK_SIZE, number, true);
          assert.is(hex(arena.read(out + 16 * index, 16)), cryptoMd5(content));
          assert.is(hex(md5(bytesOf(content), 0, content.length)), cryptoMd5(content));
        }
      }),
      halved({ numRuns: 40 }),
    );
  });
});

test("bytes may end with the last byte of memory: nothing beyond is read", () => {
  withArena(8192, (arena) => {
    const out = arena.address;
    for (let length = 0; length <= 140; length++) {
      const at = MEMORY_BYTES - length;
      const content = arena.read(at, length);
      const value = crc32c(0, bytesOf(content), 0, length);
      assert.is(core.crc32c(0, at, length) >>> 0, value, `length ${length}`);
      core.md5(at, length, out);
      assert.is(hex(arena.read(out, 16)), cryptoMd5(content), `length ${length}`);
    }
    const last = MEMORY_BYTES - BLOCK_SIZE;
    core.md5Blocks(last, 1, out);
    assert.is(hex(arena.read(out, 16)), cryptoMd5(arena.read(last, BLOCK_SIZE)));
    core.md5Pages(last, arena.address + 64, 1, out);
    // The trap is real: one byte more is refused by the engine.
    assert.throws(() => core.crc32c(0, MEMORY_BYTES - 15, 16));
    assert.throws(() => core.md5Blocks(last + 1, 1, out));
  }, true);
});

test("every single-bit flip in a block changes both checksums", () => {
  withArena(8192, (arena) => {
    const out = arena.address + 4096;
    core.md5(arena.address, 256, out);
    const crcs = new Set([core.crc32c(0, arena.address, 256)]);
    const digests = new Set([hex(arena.read(out, 16))]);
    for (let bit = 0; bit < 256 * 8; bit++) {
      const address = arena.address + (bit >> 3);
      memory.bytes[address] = (memory.bytes[address] ?? 0) ^ (1 << (bit & 7));
      crcs.add(core.crc32c(0, arena.address, 256));
      core.md5(arena.address, 256, out);
      digests.add(hex(arena.read(out, 16)));
      memory.bytes[address] = (memory.bytes[address] ?? 0) ^ (1 << (bit & 7));
    }
    assert.is(crcs.size, 256 * 8 + 1);
    assert.is(digests.size, 256 * 8 + 1);
  });
});

test("the benchmark's contestants agree on what every other machine computes", () => {
  const { rows, digest } = measureKernels({ rounds: 1, share: 0.02 });
  assert.is(digest, "780e6982a799b6a864e83f7907f304ea");
  assert.is(rows.length, 7);
  for (const row of rows) assert.ok(row.kernel > 0 && row.twin > 0, row.name);
});

test.run();
