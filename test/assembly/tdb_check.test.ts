/**
 * The check kernel on rigged files: counts as libtdb has them, slices, and its tables of fields.
 */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CHECK, CHECK_FLAG, REASONS } from "../../assembly/host/check_kernels.ts";
import { RESCUE } from "../../assembly/host/rescue_kernels.ts";
import { vectorBytes, vectors } from "../actors/storage/vector_files.ts";
import { rawCheck, Rig } from "./tdb_rig.ts";

const test = suite("assembly/tdb_check");

/** Half of its pages are new, half old: until it is taken back its lists lead anywhere. */
const HALF = "20-pending-some-pages.tdb";

function withRig<T>(file: Uint8Array, use: (rig: Rig) => T): T {
  const rig = new Rig(file);
  try {
    return use(rig);
  } finally {
    rig.close();
  }
}

/** The integer constants of an AssemblyScript source. */
function constants(path: string): Map<string, number> {
  const source = readFileSync(new URL(`../../assembly/${path}`, import.meta.url), "utf8");
  const found = new Map<string, number>();
  for (const [, name = "", value = ""] of source.matchAll(/const (\w+): \w+ = (\d+);/g)) {
    found.set(name, Number(value));
  }
  return found;
}

function constantName(prefix: string, field: string): string {
  return `${prefix}${field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

test("the kernel counts what libtdb counts in every good file, pending ones as they lie there", () => {
  for (const vector of vectors().good) {
    withRig(vectorBytes(vector.file), (rig) => {
      const { live, dead, free, problems } = rawCheck(rig, 1 << 20);
      if (vector.file === HALF) {
        assert.ok(problems.length > 0, vector.file);
        return;
      }
      assert.equal({ live, dead, free }, vector.recordKinds, vector.file);
      if (!vector.recoveryPending) assert.equal(problems, [], vector.file);
    });
  }
});

test("slices of one step find the same as one slice", () => {
  const { good, corrupt } = vectors();
  const opens = corrupt.filter((vector) => vector.referenceCheckerSays.open === "opens");
  for (const { file } of [...good, ...opens]) {
    withRig(vectorBytes(file), (rig) => {
      const { slices: _whole, ...whole } = rawCheck(rig, 1 << 20);
      const { slices, ...stepped } = rawCheck(rig, 1);
      assert.equal(stepped, whole, file);
      assert.ok(slices > stepped.live + stepped.dead + stepped.free, `${file}: ${slices} slices`);
    });
  }
});

test("strict wants unused space to be empty to its end, tolerant looks at its first byte", () => {
  withRig(vectorBytes("24-recovered-dead-tail.tdb"), (rig) => {
    assert.equal(rawCheck(rig, 100).problems, []);
    assert.equal(rawCheck(rig, 100, CHECK_FLAG.strict).problems.length, 1);
    for (let at = 184; at < rig.size; at += 4) rig.setWord(at, 0);
    assert.equal(rawCheck(rig, 100, CHECK_FLAG.strict).problems, []);
    rig.setWord(rig.size - 4, 0x42424200);
    assert.equal(rawCheck(rig, 100, CHECK_FLAG.strict).problems, []);
    rig.setWord(rig.size - 4, 0x42434242);
    const where = rig.size - 2;
    assert.equal(rawCheck(rig, 100, CHECK_FLAG.strict).problems, [`unusedContent ${where}`]);
    rig.setWord(184, 1);
    assert.equal(rawCheck(rig, 100).problems, ["unusedContent 184"]);
  });
});

test("the host's tables of fields are those of the kernels", () => {
  const check = constants("tdb_check_state.ts");
  for (const [field, offset] of Object.entries(CHECK)) {
    assert.is(check.get(constantName("CK_", field)), offset, field);
  }
  for (const [index, reason] of REASONS.entries()) {
    assert.is(check.get(constantName("", reason)), index + 1, reason);
  }
  const rescue = constants("tdb_rescue.ts");
  for (const [field, offset] of Object.entries(RESCUE)) {
    assert.is(rescue.get(constantName("RS_", field)), offset, field);
  }
});

test.run();
