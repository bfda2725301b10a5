/**
 * `npm start`, which is `ctdbx dev run`: the main job on real nodes, its end, what stays in the foreground, and what is
 * said when it fails.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAlive, until } from "../../cli/processes.ts";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { command, kill, processesOf } from "./dev_rig.ts";
import { type Process, script } from "./process.ts";

const test = suite("the main job");
/** It needs 15 s, and has 180. */
const JOB_MS = 240_000;

/** What `npm start` runs, when the machine is set up. */
const START = new URL("../../build/start.ts", import.meta.url);

/** Runs `npm start -- WORDS` in a folder of its own, and ends whatever it leaves. */
async function inFolder(
  words: readonly string[],
  work: (run: Process, home: string) => Promise<void>,
): Promise<void> {
  tool("nats-server");
  const home = mkdtempSync(join(tmpdir(), "ctdbx-job-"));
  const run = script(START, ["--home", home, ...words]);
  try {
    await work(run, home);
  } finally {
    await run.end();
    const left = processesOf(home);
    for (const pid of left) kill(pid, "SIGKILL");
    await until(() => left.every((pid) => !isAlive(pid)), 5000);
    rmSync(home, { recursive: true, force: true });
  }
}

/** Lines up to the one that matches, that one included. Fails when it ends before. */
async function linesTo(run: Process, wanted: RegExp): Promise<string[]> {
  const lines: string[] = [];
  const ended = run.ended.then(() => undefined);
  for (;;) {
    const line = await Promise.race([run.lines.take(), ended]);
    if (line === undefined) throw new Error(`no ${wanted}: ${lines.join("\n")}\n${run.err}`);
    lines.push(line);
    if (wanted.test(line)) return lines;
  }
}

test.either(
  "--once shows each step, ends with 0, and leaves nothing",
  limit(JOB_MS, () =>
    inFolder(["--once", "-o", "jsonl"], async (run, home) => {
      assert.is(await run.ended, 0, run.err);
      const rows = (await run.lines.takeAll(run.lines.size)).map((line) => JSON.parse(line));
      const volatile = [
        "Samba's data",
        "import",
        "read back",
        "work",
        "kill -9",
        "back",
        "addresses",
        "check",
        "recovery",
      ];
      const steps = [...volatile, "transactions", "kill -9 of all"];
      assert.equal(rows.map(({ what }) => what), steps);
      assert.ok(rows.every(({ node, wallMs }) => node === "main job" && wallMs > 0));
      const text = Object.fromEntries(rows.map(({ what, text }) => [what, text]));
      assert.match(text["Samba's data"], /Samba 4\..*registry\.tdb.*; \d+ records/);
      assert.match(text["read back"], /^at n2: (\d+) of \1 records are the same, byte for byte/);
      assert.match(text["work"], /"shared", where all count: \d+ counts/);
      assert.match(text["kill -9"], /"own n2": it was counted to \d+, somebody else had seen \d+/);
      assert.match(
        text["kill -9"],
        /not affected: \d+ records .* longest pause: [\d.]+ (us|ms|s)$/,
      );
      assert.match(text["back"], /(\d+) of \1 records of registry read there are the same/);
      assert.match(
        text["addresses"],
        /^those of n2 were seen at others [\d.]+ m?s after its death/,
      );
      assert.match(
        text["addresses"],
        /before +n2 dead +n2 back; (?:192\.0\.2\.\d +n\d +n[01] +n\d(?:; |$)){6}/,
      );
      assert.match(
        text["check"],
        /before +check fails +mended; (?:192\.0\.2\.\d +n\d +n[02] +n\d; ){6}/,
      );
      assert.match(text["check"], /Check service of n1 fails; file: \S+service\.up: there is none/);
      assert.match(
        text["transactions"],
        /in the persistent database "ledger"; copies are on the disks/,
      );
      const lasting = text["kill -9 of all"] ?? "";
      assert.match(lasting, /^of the daemons of n0, n1 and n2 at once \(processes \d+, \d+, \d+\)/);
      const [, told = "", ann, bob] =
        /(\d+) were told as committed, .* once and whole; ann has (\d+), bob (\d+);/.exec(
          lasting,
        ) ?? [];
      assert.ok(Number(told) > 0, lasting);
      assert.is(Number(ann) + Number(bob), 1000, lasting);
      assert.match(lasting, /are volatile: \d+ of \d+ records .* all of them are imported again$/);
      assert.equal(processesOf(home), []);
    })),
);

test.either(
  "without --once the cluster stays, with commands to try, until SIGINT",
  limit(JOB_MS, () =>
    // With one node there is no death to wait for.
    inFolder(["--nodes", "1"], async (run, home) => {
      const lines = await linesTo(run, /^What happens/);
      assert.ok(lines.some((line) => /^kill -9 +left out: with 1 nodes none/.test(line)));
      assert.ok(lines.some((line) => /^kill -9 of all of the daemons of n0 at once/.test(line)));
      const typed = lines.flatMap((line) => /^ {2}npm run -s ctdbx -- (.*)$/.exec(line)?.[1] ?? []);
      assert.ok(typed.length >= 8, lines.join("\n"));
      // Those that only look can be tried at once.
      for (
        const words of typed.filter((each) =>
          /^(?:db ls|ip ls|db trav|rec (?:get|where)|tdb info)/.test(each)
        )
      ) {
        const { exit, err } = await command(words);
        assert.is(exit, 0, `${words}: ${err}`);
      }
      run.signal("SIGINT");
      assert.is(await run.ended, 0, run.err);
      assert.equal(processesOf(home), []);
    })),
);

test.either(
  "a cluster that loses its nats-server in the middle: it says what failed, and leaves nothing",
  limit(JOB_MS, () =>
    // The second node has nothing of what was imported at the first.
    inFolder(["--once", "--nodes", "2"], async (run, home) => {
      await linesTo(run, /^import /);
      const [server] = processesOf(join(home, "nats"));
      assert.ok(server, "no nats-server");
      kill(server as number, "SIGKILL");
      assert.is(await run.ended, 1, run.err);
      assert.match(run.err, /^ctdbx: The main job has failed after "import": Cannot /);
      assert.equal(processesOf(home), []);
    })),
);

test.run();
