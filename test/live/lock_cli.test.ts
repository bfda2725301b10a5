/** `ctdbx lock test`: a file system of this machine is coherent; files that are not one file are found out. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { lockTrial } from "../../cli/lock_trial.ts";
import { RealHost } from "../../transport/real_host.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { ctdbx, gone, type Process } from "./process.ts";

interface Context {
  folder: string;
  running: Process[];
}

const test = sharedSuite<Context>("ctdbx lock test");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-lock-cli-"));
  context.running = [];
});
test.after.each(async ({ folder, running }) => {
  for (const one of running) await one.end();
  rmSync(folder, { recursive: true, force: true });
});

async function lockTest({ running }: Context, ...words: string[]) {
  const run = ctdbx(["lock", "test", ...words]);
  running.push(run);
  const exit = await run.ended;
  const lines = await run.lines.takeAll(run.lines.size);
  return { exit, out: lines.join("\n"), err: run.err };
}

test(
  "A coherent file system is told as that, with a rate; the file is removed again",
  limit(60_000, async (context) => {
    const path = join(context.folder, "lock");
    const { exit, out, err } = await lockTest(context, path, "-o", "jsonl", "--seconds", "1");
    assert.is(exit, 0, err);
    const said = JSON.parse(out);
    assert.is(said.coherent, true);
    assert.is(said.processes, 3);
    assert.ok(said.added > 0 && said.counted === said.added, out);
    assert.ok(said.locksPerSecond > 0);
    assert.is(existsSync(path), false);
  }),
);

test(
  "Two that run on one file at the same time are both content",
  limit(60_000, async (context) => {
    const path = join(context.folder, "shared");
    writeFileSync(path, "");
    const words = [path, "-o", "jsonl", "--seconds", "1", "--processes", "2"];
    const both = await Promise.all([lockTest(context, ...words), lockTest(context, ...words)]);
    for (const { exit, out, err } of both) {
      assert.is(exit, 0, err);
      assert.is(JSON.parse(out).coherent, true);
    }
    const counter = new DataView(new Uint8Array(readFileSync(path)).buffer).getBigUint64(8, true);
    const added = both.reduce((sum, { out }) => sum + JSON.parse(out).added, 0);
    assert.is(Number(counter), added);
  }),
);

test(
  "Locks that processes do not share are found out",
  limit(60_000, async ({ folder }) => {
    const paths = ["a", "b", "c"].map((name) => join(folder, name));
    for (const path of paths) writeFileSync(path, "");
    // Each child sees a file of its own: what a file system without shared locks comes to.
    const pathOf = (child: number) => paths[child] ?? "";
    const { faults, added, counted } = await lockTrial({
      path: folder,
      processes: 3,
      seconds: 1,
      pathOf,
    });
    assert.match(faults.join("\n"), /2 of 2 processes got a lock that one holds/);
    assert.ok(counted < added);
    assert.match(faults.join("\n"), /the counter has grown by/);
  }),
);

test("What cannot be tested says why", async (context) => {
  const { folder } = context;
  const full = join(folder, "full");
  writeFileSync(full, "contents that somebody needs");
  const cases: [string[], number, RegExp][] = [
    [[full], 4, /it holds something/],
    [[folder], 4, /no plain file/],
    [[join(folder, "none", "lock")], 3, /no such file or folder/],
    [["--processes", "1", join(folder, "x")], 2, /whole number/],
  ];
  for (const [words, exit, text] of cases) {
    const outcome = await lockTest(context, ...words);
    assert.is(outcome.exit, exit, outcome.err);
    assert.match(outcome.err, text);
  }
  assert.is(readFileSync(full, "utf8"), "contents that somebody needs");
});

test(
  "Nothing is left running when it is killed",
  limit(60_000, async (context) => {
    const path = join(context.folder, "killed");
    const run = ctdbx(["lock", "test", path, "--seconds", "600"]);
    context.running.push(run);
    const host = new RealHost();
    // The race is on when the counter has begun to grow.
    while (!existsSync(path) || readFileSync(path).every((byte) => byte === 0)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const text = readFileSync(`/proc/${run.pid}/task/${run.pid}/children`, "utf8");
    const children = text.trim().split(" ").filter((word) => word !== "").map(Number);
    assert.ok(children.length >= 1, text);
    await run.end();
    for (const child of children) await gone(child, (pid) => host.alive(pid));
  }),
);

test.run();
