/**
 * A process that is killed before each step of making a file, on a real one: whoever opens what is left, ours or
 * libtdb, finds the database that was asked for or says that it is none; removed, it can be made.
 *
 * Does NOT promise: power loss; test/actors/storage/create_crash.test.ts has that.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { RealImageStore } from "../../transport/real_image.ts";
import { limit } from "../limit.ts";
import { inFolder, tdbtoolCheck } from "./files.ts";
import { Ours } from "./ours.ts";
import { type Peer, runtimeCommand, startPeer, thisRuntime } from "./peer.ts";
import { FLAG, good, hex, openIn, outcome, type Session } from "./session.ts";

/** Making a file has fewer steps. */
const STEPS_MAX = 20;
/** As the child makes it, and as it is never made here otherwise. */
const HASH_SIZE = 300;
const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;

/** Of the first two, and of the others, each runtime has one in `npm test`. */
const KINDS = [
  { name: "byte ranges", flags: FLAG.INCOMPATIBLE_HASH, words: ["fcntl"], old: false },
  { name: "mutexes", flags: MUTEX, words: ["mutex"], old: false },
  {
    name: "emptied, byte ranges",
    flags: FLAG.INCOMPATIBLE_HASH,
    words: ["fcntl", "clear"],
    old: true,
  },
  { name: "emptied, mutexes", flags: MUTEX, words: ["mutex", "clear"], old: true },
] as const;

/** The words of `open` for what the child makes. */
function openCommand(path: string, mode: "w" | "c", flags: number): (string | number)[] {
  return ["open", path, mode, flags, HASH_SIZE, 0];
}

/** Runs the child; true when it was not killed. */
function make(path: string, step: number, words: readonly string[]): boolean {
  const [command = "", ...options] = runtimeCommand(thisRuntime(), "test/live/create_child.ts");
  const child = spawnSync(command, [...options, path, String(step), ...words], {
    encoding: "utf8",
  });
  if (child.signal === "SIGKILL") return false;
  assert.is(child.status, 0, child.stderr);
  assert.is(child.stdout, "made\n");
  return true;
}

/** Empty and good, or the old content; stores work. */
async function wantGood(session: Session, path: string, old: boolean): Promise<void> {
  const found = await session.ask("fetch", hex("old"));
  if (!old || found !== "ok 01") assert.is(outcome(found), "err not_found");
  await good(session, "check");
  await good(session, "begin");
  await good(session, "store", hex("new"), "02".repeat(3000), 0);
  await good(session, "commit");
  assert.is(await good(session, "fetch", hex("new")), "02".repeat(3000));
  await good(session, "check");
  await good(session, "close");
  tdbtoolCheck(path);
}

/** Both open a copy of what is left, without and with the wish to make it. Answers whether it is a database. */
async function judge(path: string, peer: Peer, flags: number, old: boolean): Promise<boolean> {
  const ours = new Ours(new RealImageStore());
  const answers: string[] = [];
  for (const session of [ours, peer]) {
    for (const mode of ["w", "c"] as const) {
      const copy = `${path}.copy`;
      copyFileSync(path, copy);
      const answer = await session.ask(...openCommand(copy, mode, flags));
      answers.push(`${session.name} ${mode}: ${answer}`);
      if (answer === "ok") await wantGood(session, copy, old);
      else if (session === ours) {
        assert.match(answer, /^err corrupt (header|truncated) Cannot open/);
      } else assert.match(answer, /^err /);
      rmSync(copy);
    }
  }
  const [look = "", , look2 = ""] = answers;
  assert.is(look.endsWith(": ok"), look2.endsWith(": ok"), answers.join("; "));
  if (look.endsWith(": ok")) return true;
  rmSync(path);
  await openIn(ours, { path, mode: "c", flags, hashSize: HASH_SIZE });
  await wantGood(ours, path, false);
  return false;
}

const test = suite("TDB: killed while the file is made, on a real one");
for (const { name, flags, words, old } of KINDS) {
  test.either(
    name,
    limit(60_000, () =>
      inFolder(async (folder) => {
        const peer = startPeer();
        const seen = new Set<boolean>();
        for (let step = 1;; step++) {
          assert.ok(step < STEPS_MAX, `more than ${STEPS_MAX} steps`);
          const path = join(folder, `step ${step}.tdb`.replace(" ", "-"));
          if (old) {
            await openIn(peer, { path, mode: "c", flags, hashSize: HASH_SIZE });
            await good(peer, "store", hex("old"), "01", 0);
            await good(peer, "close");
          }
          const through = make(path, step, words);
          seen.add(await judge(path, peer, flags, old));
          if (!through) continue;
          assert.ok(step > 3, `only ${step - 1} steps`);
          break;
        }
        assert.equal([...seen].sort(), [false, true], "databases and none were seen");
        await peer.end();
      })),
  );
}
test.run();
