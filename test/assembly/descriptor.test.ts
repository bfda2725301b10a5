/**
 * The descriptor of a database is written down twice, for AssemblyScript and for TypeScript: the same fields at the
 * same places, the same flags and fault numbers.
 *
 * Does NOT promise: that they mean the same; the engine's tests show that.
 */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as host from "../../assembly/host/tdb_kernels.ts";

const LAYOUT = readFileSync(new URL("../../assembly/tdb_layout.ts", import.meta.url), "utf8");

/** `export const NAME: type = value;` of the layout, by name. */
function constants(prefix: string): Map<string, number> {
  const found = new Map<string, number>();
  const pattern = new RegExp(`export const ${prefix}([A-Z_]+): (?:u32|usize) = (\\d+);`, "g");
  for (const [, name, value] of LAYOUT.matchAll(pattern)) {
    found.set(
      name!.toLowerCase().replace(/_([a-z])/g, (_, c: string) => c.toUpperCase()),
      Number(value),
    );
  }
  return found;
}

const test = suite("descriptor");

test("its fields lie at the same places on both sides", () => {
  const fields = constants("DB_");
  assert.is(fields.get("bytes"), host.DB_BYTES);
  fields.delete("bytes");
  assert.equal(Object.fromEntries(fields), { ...host.DB });
});

test("its flags are the same bits", () => {
  const flags = constants("FLAG_");
  assert.equal(Object.fromEntries(flags), { ...host.FLAG });
});

test("faults have the same numbers", () => {
  const faults = constants("FAULT_");
  assert.is(faults.get("noSpace"), host.FAULT_NO_SPACE);
  assert.is(faults.get("noMemory"), host.FAULT_NO_MEMORY);
  assert.is(faults.get("busy"), host.FAULT_BUSY);
  for (const other of ["noSpace", "noMemory", "busy"]) faults.delete(other);
  // The host has kinds besides, which only it finds.
  for (const kind of ["loop", "offset", "freelist"]) assert.ok(faults.has(kind), kind);
  for (const [kind, number] of faults) assert.is(host.FAULT_KINDS[number - 1], kind);
});

test("a block is as long for both", () => {
  const numbers = constants("");
  assert.is(numbers.get("block"), host.BLOCK);
  assert.is(numbers.get("frameHeader"), host.FRAME_HEADER);
});

test.run();
