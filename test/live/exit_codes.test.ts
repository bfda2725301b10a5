/** Every exit code of the table that a command can end with, as a script sees it: a process, and its number. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { EXIT, EXIT_MEANING, type ExitCode } from "../../cli/exit_codes.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { ctdbx } from "./process.ts";
import { DevCluster, kill } from "./dev_rig.ts";
import { copyVector } from "./vectors.ts";

interface Context {
  dev: DevCluster;
  folder: string;
}

const test = sharedSuite<Context>("live exit codes");
const seen = new Set<ExitCode>();

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.borrow(3);
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-exits-"));
}));
test.after(limit(60_000, async ({ dev, folder }) => {
  await dev?.giveBack();
  rmSync(folder, { recursive: true, force: true });
}));

/** Demands an exit code of a process, and of a failure two lines, the second with what to do. */
async function ends(exit: ExitCode, words: string, text: RegExp = /^/): Promise<void> {
  const process = ctdbx(words.split(" "));
  try {
    assert.is(await process.ended, exit, `${words}: ${process.err}`);
    if (exit !== 0) assert.match(process.err, /^ctdbx: Cannot [^\n]+\nhint: [^\n]+\n$/, words);
    assert.match(process.err, text, words);
    seen.add(exit);
  } finally {
    await process.end();
  }
}

test("0, 2, 3, 4, 8, 14: done, wrong, not found, conflict, not so, not without --yes", async ({ dev, folder }) => {
  const home = `--home ${join(dev.home, "n0")}`;
  await ends(EXIT.ok, `cluster status ${home}`);
  await ends(EXIT.usage, "cluster statsu", /did you mean status/);
  await ends(EXIT.usage, `cluster wait --for nonsense ${home}`);
  await ends(EXIT.notFound, `cluster status --home ${folder}`);
  await ends(
    EXIT.notFound,
    `cluster status -n n4 ${home}`,
    /known are n0, n1, n2\n.*did you mean n2/,
  );
  await ends(EXIT.conflict, `dev up --home ${dev.home}`);
  await ends(EXIT.expectation, `cluster wait --for members=9 --timeout 0 ${home}`);
  await ends(EXIT.needsYes, `dev down --remove --home ${dev.home}`);
});

test("12, 13: a damaged file, and one of a format that is not known", async ({ folder }) => {
  const file = join(folder, "no.tdb");
  writeFileSync(file, "nothing of the kind");
  await ends(EXIT.corrupt, `tdb info ${file}`);
  await ends(EXIT.version, `tdb info ${copyVector("c22-unknown-feature.tdb", folder)}`);
});

test("1, 5: a daemon that hangs: a look says so, of a command the outcome is not known", async ({ dev }) => {
  const home = `--home ${join(dev.home, "n0")} --request-timeout 0.3`;
  const pid = await dev.pid(0);
  kill(pid, "SIGSTOP");
  try {
    await ends(EXIT.other, `node status ${home}`);
    await ends(EXIT.unknownOutcome, `leader yield --timeout 0.5 --home ${join(dev.home, "n0")}`);
  } finally {
    kill(pid, "SIGCONT");
  }
  await dev.well();
});

test(
  "9, 6: one of three is cut off; it sees no majority",
  limit(60_000, async ({ dev }) => {
    const leader = await dev.leader();
    const victim = [0, 1, 2].find((index) => index !== leader) ?? 0;
    const home = `--home ${join(dev.home, `n${victim}`)}`;
    await dev.dev(`chaos partition n${victim} 1m`);
    await dev.wait("not-leader", victim);
    await ends(EXIT.partial, `node ping --home ${join(dev.home, `n${leader}`)}`);
    await ends(EXIT.noQuorum, `leader show ${home}`);
    await ends(EXIT.noQuorum, `leader yield ${home}`);
    await dev.dev(`chaos heal n${victim}`);
    await dev.well();
  }),
);

test("the table has no other code than those, and those that other tests are about", () => {
  // 7 and 11: test/live/cli_tdb_refusals.test.ts, with files of others and full disks; 10: of `cluster explain`.
  const elsewhere: ExitCode[] = [EXIT.denied, EXIT.noSpace, EXIT.splitBrain];
  const all = Object.keys(EXIT_MEANING).map(Number);
  assert.equal([...seen, ...elsewhere].sort((one, other) => one - other), all);
});

test.run();
