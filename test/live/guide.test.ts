/**
 * docs/GUIDE.md tells the truth: its programs are the files of docs/examples and print what it says, on both runtimes;
 * its shell lines work one after the other, as a new user types them. One cluster serves the programs of both.
 */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as assert from "uvu/assert";
import { PACKER } from "../../build/pack.ts";
import { binaryProgram } from "../../build/ready.ts";
import { DENO } from "../../build/steps.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { DevCluster, kill, processesOf } from "./dev_rig.ts";
import { blocksOf, CHECKOUT, ended, output, read, shellSteps } from "./guide.ts";
import { Process } from "./process.ts";

interface Context {
  dev: DevCluster;
  /** A user's home folder, with the cluster where `npm start` has it. */
  user: string;
}

const test = sharedSuite<Context>("docs/GUIDE.md");
const BLOCKS = blocksOf(read("docs/GUIDE.md"));
/** A program or a block takes a second or two; npm more. */
const STEP_MS = 60_000;
const EXAMPLES = "docs/examples";
/** The program that is started. */
const MAIN = binaryProgram();
/** Programs that the session runs, or a test of their own. */
const ELSEWHERE = ["visits.ts", "visits_server.ts", "nats.ts"];

function clusterHome({ user }: Context): string {
  return join(user, ".local", "state", "ctdbx", "dev");
}

function nodeHome(context: Context): string {
  return join(clusterHome(context), "n1");
}

/** How programs are run. */
const RUNTIMES = { bun: [PACKER], deno: [DENO, "run", "-A"] } as const;
type Runtime = keyof typeof RUNTIMES;

/** The command that runs an example. */
function runs(file: string, runtime: Runtime): string[] {
  return [...RUNTIMES[runtime], join(CHECKOUT, EXAMPLES, file)];
}

test.before(limit(60_000, async (context) => {
  context.user = mkdtempSync(join(tmpdir(), "ctdbx-guide-"));
  mkdirSync(join(clusterHome(context), ".."), { recursive: true });
  context.dev = await DevCluster.borrow(3);
  symlinkSync(context.dev.home, clusterHome(context));
  // As `npm start` leaves it.
  for (const name of ["registry", "visits"]) await context.dev.ok(["db", "attach", name]);
}));

test.after(limit(60_000, async (context) => {
  for (const pid of processesOf(context.user)) kill(pid, "SIGKILL");
  rmSync(context.user, { recursive: true, force: true });
  await context.dev?.giveBack();
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

/** Programs with what they print. */
const PRINTED = BLOCKS.flatMap(({ kind, file, text }) =>
  kind === "text" && file !== undefined ? [{ file, text }] : []
);

// One that left anything running would keep the process; one that needs what another has left fails in one direction.
for (const runtime of ["bun", "deno"] as const) {
  const programs = runtime === "bun" ? PRINTED : PRINTED.toReversed();
  const order = runtime === "bun" ? "in order" : "the last one first";
  test(
    `all of them print what they say, in one process on ${runtime}, ${order}, which ends by itself`,
    limit<Context>(2 * STEP_MS, async (context) => {
      const program = join(CHECKOUT, "test/live/guide_child.ts");
      const files = programs.map(({ file }) => join(CHECKOUT, file));
      const command = [...RUNTIMES[runtime], program, ...files];
      const { exit, out, err } = await output(command, nodeHome(context));
      assert.is(exit, 0, err);
      assert.is(err, "");
      const wanted = programs.map(({ text }, index) => `== ${files[index]}\n${text}`);
      assert.is(out, wanted.join(""));
    }),
  );
}

test("each program has its output in the guide, but for those that the session runs", () => {
  const printed: (string | undefined)[] = PRINTED.map(({ file }) => file);
  const all = BLOCKS.filter(({ kind }) => kind === "ts").map(({ file }) => file);
  const without = all.filter((file) => !printed.includes(file));
  assert.equal(without, ELSEWHERE.map((name) => `${EXAMPLES}/${name}`));
});

test(
  "the web servers of three nodes count together",
  limit<Context>(STEP_MS, async (context) => {
    const servers = (["bun", "deno", "bun"] as const).map((runtime, index) =>
      new Process(runs("visits_server.ts", runtime), {
        CTDBX_HOME: join(clusterHome(context), `n${index}`),
      })
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

/** npm itself starts `dev ...`; all other commands begin as the binary, which is sooner. */
function quickNpm(): string {
  return `npm() {
  if [ "$1 $2 $3 $4" = "run -s ctdbx --" ] && [ "$5" != dev ]; then
    shift 4
    '${MAIN}' "$@"
  else
    command npm "$@"
  fi
}
`;
}

test(
  "its shell lines work one after the other",
  limit<Context>(5 * STEP_MS, async (context) => {
    const [start, ...steps] = shellSteps(BLOCKS);
    // That is the main job, which has a test of its own; the cluster that it leaves is here.
    assert.is(start?.lines, "npm start\n");
    const mark = "== next ==";
    const lines = steps.map((step) => `${step.lines}echo "${mark}"\n`).join("");
    const command = ["/bin/sh", "-e", "-c", quickNpm() + lines];
    const { exit, out, err } = await ended(command, {
      cwd: CHECKOUT,
      env: { PATH: process.env["PATH"] ?? "", HOME: context.user, NO_COLOR: "1" },
    });
    const parts = out.split(`${mark}\n`);
    const at = steps[parts.length - 1];
    assert.is(exit, 0, `line ${at?.line}: ${out.slice(-500)}${err.slice(-2000)}`);
    for (const [index, { prints, line }] of steps.entries()) {
      if (prints !== undefined) assert.equal(parts[index], prints, `line ${line}`);
    }
  }),
);

test.run();
