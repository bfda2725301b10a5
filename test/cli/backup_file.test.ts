/**
 * What lies beside a backup, and what copies of one database are said to be: every way in which it is not what it was.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import {
  type BackupNote,
  notePath,
  readNote,
  requireFile,
  sumOfFile,
  writeNote,
} from "../../cli/backup_file.ts";
import { type Checked, compared } from "../../cli/commands/db_check.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { Failure } from "../../cli/failure.ts";
import { ContentSum } from "../../transport/wire/commit/content.ts";
import { suite } from "../suite.ts";

const test = suite("backups");

async function failure(work: () => unknown): Promise<Failure> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

async function inFolder(work: (file: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-backup-"));
  try {
    await work(join(folder, "bank.tdb"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function noteOf(file: string): Promise<BackupNote> {
  return {
    ...{ format: "ctdbx-backup", version: 1, database: "bank", kind: "persistent", id: 7 },
    ...{ lineage: "5", seqnum: "12", records: 3, content: "0123456789abcdef" },
    ...await sumOfFile(file),
    madeAt: "2026-01-01T00:00:00.000Z",
  };
}

test("A note is read as it was written, and says whether the file is the one", async () => {
  await inFolder(async (file) => {
    assert.is(readNote(file), undefined, "none is there");
    writeFileSync(file, "some bytes");
    const note = await noteOf(file);
    writeNote(file, note);
    assert.equal(readNote(file), note);
    await requireFile(file, note);
    writeFileSync(file, "some byteS");
    const changed = await failure(() => requireFile(file, note));
    assert.is(changed.exit, EXIT.corrupt);
    assert.match(changed.message, /bank\.tdb\.json says: its bytes have changed/);
    writeFileSync(file, "some");
    assert.match((await failure(() => requireFile(file, note))).message, /has 4 bytes, and had 10/);
  });
});

test("What is no note of ours is refused, and not taken for none", async () => {
  await inFolder(async (file) => {
    const told = async (text: string): Promise<[number, string]> => {
      writeFileSync(notePath(file), text);
      const { exit, message } = await failure(() => readNote(file));
      return [exit, message.replace(/.*: /, "")];
    };
    writeFileSync(file, "x");
    const note = await noteOf(file);
    assert.equal(await told("{"), [EXIT.corrupt, "it is no JSON"]);
    assert.equal(await told("null"), [EXIT.corrupt, "it is no note of a backup"]);
    assert.equal(await told('{"format":"x"}'), [EXIT.corrupt, "it is no note of a backup"]);
    const newer = await told(JSON.stringify({ ...note, version: 2 }));
    assert.equal(newer, [EXIT.version, "it is of a newer ctdbx"]);
    for (const name of ["database", "sha256", "content", "records", "kind"] as const) {
      const { [name]: _, ...rest } = note;
      assert.equal(await told(JSON.stringify(rest)), [EXIT.corrupt, "something is missing in it"]);
    }
  });
});

test("The sum of records is of what they are, in whatever order", () => {
  const b = (text: string) => new TextEncoder().encode(text);
  const sum = (...records: readonly [string, string, bigint?][]): string => {
    const all = new ContentSum();
    for (const [key, value, version] of records) all.add(b(key), b(value), version);
    return all.text;
  };
  assert.is(sum(["a", "1"], ["b", "2"]), sum(["b", "2"], ["a", "1"]));
  assert.is.not(sum(["a", "1"]), sum(["a", "2"]));
  assert.is.not(sum(["ab", "1"]), sum(["a", "b1"]), "where a key ends counts");
  assert.is.not(sum(["a", "1"]), sum(["a", "1"], ["a", "1"]), "twice is not once");
  assert.is.not(sum(["a", "1", 1n]), sum(["a", "1", 2n]));
  assert.is(sum(), "0000000000000000");
});

function copy(
  node: string,
  seqnum: string,
  versions: string,
  more: Partial<Checked> = {},
): Checked {
  const rest = { records: 1, content: "c", pages: 9, bad: 0, logFirst: "1", logLast: "2" };
  const about = { pnn: Number(node.slice(1)), error: undefined, problems: [] };
  return { node, seqnum, versions, verdict: "ok", ...about, ...rest, ...more } as Checked;
}

test("Copies of one state must be the same: the fewer differ, and both of two do", () => {
  const verdicts = (...all: Checked[]): string =>
    compared(all).map(({ verdict }) => verdict).join(" ");
  assert.is(verdicts(copy("n0", "5", "x"), copy("n1", "5", "x"), copy("n2", "5", "x")), "ok ok ok");
  assert.is(
    verdicts(copy("n0", "5", "x"), copy("n1", "5", "y"), copy("n2", "5", "x")),
    "ok differs ok",
  );
  assert.is(verdicts(copy("n0", "5", "x"), copy("n1", "5", "y")), "differs differs");
  assert.is(verdicts(copy("n0", "5", "x"), copy("n1", "6", "y")), "ok ok", "of two states");
  const damaged = { verdict: "damaged", problems: ["page 3"] } as const;
  assert.is(verdicts(copy("n0", "5", "x"), copy("n1", "5", "y", damaged)), "ok damaged");
  const [, odd] = compared([copy("n0", "5", "x"), copy("n1", "5", "y"), copy("n2", "5", "x")]);
  assert.match(odd?.problems.join() ?? "", /after transaction 5 are not those of n0, n2/);
});

test.run();
