/**
 * docs/GUIDE.md tells the truth: its programs are the files of docs/examples and print what it says, on this runtime;
 * its shell lines work one after the other, as a new user types them.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { command, kill, processesOf } from "./dev_rig.ts";
import { blocksOf, CHECKOUT, output, read, shellSteps } from "./guide.ts";
import { Process } from "./process.ts";

interface Context {
  /** A user's home folder, with the cluster of `npm start` in it. */
  user: string;
}

const test = suite<Context>("docs/GUIDE.md", { user: "" });
const BLOCKS = blocksOf(read("docs/GUIDE.md"));
/** A program or a block takes a second or two; npm more. */
const STEP_MS = 60_000;
const EXAMPLES = "docs/examples";
/** Programs that the session runs, or a test of their own. */
const ELSEWHERE = ["visits.ts", "visits_server.ts", "nats.ts"];

function clusterHome({ user }: Context): string {
  return join(user, ".local", "state", "ctdbx", "dev");
}

/** The command that runs an example on this runtime. */
function runs(file: string): string[] {
  const isDeno = process.versions["deno"] !== undefined;
  return [process.execPath, ...isDeno ? ["run", "-A"] : [], join(CHECKOUT, EXAMPLES, file)];
}

test.before(limit(60_000, async (context) => {
  context.user = mkdtempSync(join(tmpdir(), "ctdbx-guide-"));
  mkdirSync(join(clusterHome(context), ".."), { recursive: true });
  tool("nats-server");
  const home = ["--home", clusterHome(context)];
  // As `npm start` leaves it.
  for (const words of [["dev", "up"], ["db", "attach", "registry"], ["db", "attach", "visits"]]) {
    const { exit, err } = await command([...words, ...home]);
    assert.is(exit, 0, err);
  }
}));

test.after(limit(60_000, async (context) => {
  await command(["dev", "down", "--home", clusterHome(context)]);
  for (const pid of processesOf(context.user)) kill(pid, "SIGKILL");
  rmSync(context.user, { recursive: true, force: true });
}));

test("its programs are those of docs/examples, each of them", () => {
  const shown = BLOCKS.filter(({ kind }) => kind === "ts");
  for (const { file, text, line } of shown) {
    assert.ok(file, `line ${line}: a program that is no file`);
    assert.is(text, read(file as string), `line ${line}`);
  }
  const files = readdirSync(join(CHECKOUT, EXAMPLES)).filter((name) => name.endsWith(".ts"));
  const named = shown.map(({ file }) => file?.slice(EXAMPLES.length + 1));
  assert.equal([...named].sort(), files.sort());
});

for (const { file, text } of BLOCKS.filter(({ kind, file }) => kind === "text" && file)) {
  test(
    `${file} prints what it says`,
    limit<Context>(STEP_MS, async (context) => {
      const name = (file as string).slice(EXAMPLES.length + 1);
      const { exit, out, err } = await output(runs(name), join(clusterHome(context), "n1"));
      assert.is(exit, 0, err);
      assert.is(err, "");
      assert.is(out, text);
    }),
  );
}

test("each program has its output in the guide, but for those that the session runs", () => {
  const printed = BLOCKS.filter(({ kind, file }) => kind === "text" && file).map(({ file }) =>
    file
  );
  const all = BLOCKS.filter(({ kind }) => kind === "ts").map(({ file }) => file);
  const without = all.filter((file) => !printed.includes(file));
  assert.equal(without, ELSEWHERE.map((name) => `${EXAMPLES}/${name}`));
});

test(
  "the web servers of three nodes count together",
  limit<Context>(STEP_MS, async (context) => {
    const servers = [0, 1, 2].map((index) =>
      new Process(runs("visits_server.ts"), { CTDBX_HOME: join(clusterHome(context), `n${index}`) })
    );
    try {
      const answers: string[] = [];
      for (const server of servers) {
        const [, name, url] = /^(n\d) serves (\S+)$/.exec(await server.lines.take()) ?? [];
        const answer = await (await fetch(`${url}page`)).text();
        answers.push(answer.replace(name ?? "?", "its node"));
      }
      assert.equal(answers, [1, 2, 3].map((count) => `/page: ${count} visits, says its node\n`));
      for (const server of servers) server.signal("SIGTERM");
      assert.equal(await Promise.all(servers.map(({ ended }) => ended)), [0, 0, 0]);
    } finally {
      for (const server of servers) await server.end();
    }
  }),
);

// Each line starts npm and the program anew, whose runtime npm chooses.
test.either(
  "its shell lines work one after the other",
  limit<Context>(5 * STEP_MS, ({ user }) => {
    const [start, ...steps] = shellSteps(BLOCKS);
    // That is the main job, which has a test of its own; the cluster that it leaves is here.
    assert.is(start?.lines, "npm start\n");
    const mark = "== next ==";
    const lines = steps.map((step) => `${step.lines}echo "${mark}"\n`).join("");
    const { status, stdout, stderr } = spawnSync("/bin/sh", ["-e", "-c", lines], {
      cwd: CHECKOUT,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "", HOME: user, NO_COLOR: "1" },
      timeout: 5 * STEP_MS,
    });
    const parts = stdout.split(`${mark}\n`);
    const at = steps[parts.length - 1];
    assert.is(status, 0, `line ${at?.line}: ${stdout.slice(-500)}${stderr.slice(-2000)}`);
    for (const [index, { prints, line }] of steps.entries()) {
      if (prints !== undefined) assert.equal(parts[index], prints, `line ${line}`);
    }
  }),
);

test.run();
