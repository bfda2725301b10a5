/** Programs that are made once: when one is made anew, and when it goes. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { keptProgram } from "../../build/kept_program.ts";

interface Context {
  root: string;
  within: string;
  made: number;
}

const test = suite<Context>("kept program");

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "ctdbx-kept-"));
  context.within = join(context.root, "out");
  context.made = 0;
  mkdirSync(join(context.root, "cli"));
  writeFileSync(join(context.root, "package-lock.json"), "{}");
  writeFileSync(join(context.root, "cli/main.ts"), "one");
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

/** A program that is its source. */
function kept(context: Context, main = "main"): string {
  const make = (folder: string, root: string) => {
    context.made += 1;
    writeFileSync(join(folder, main), readFileSync(join(root, "cli/main.ts")));
  };
  return keptProgram({ main, make }, context);
}

test("Made once for the same; anew for other sources, packages and files to start", (context) => {
  const first = kept(context);
  assert.is(kept(context), first);
  assert.is(context.made, 1);
  writeFileSync(join(context.root, "cli/main.ts"), "two");
  const second = kept(context);
  assert.is(readFileSync(second, "utf8"), "two");
  assert.is(readFileSync(first, "utf8"), "one");
  writeFileSync(join(context.root, "package-lock.json"), "{ }");
  const third = kept(context);
  assert.is(new Set([first, second, third, kept(context, "other")]).size, 4);
});

test("Another user may start it", (context) => {
  assert.is(statSync(dirname(kept(context))).mode & 0o777, 0o755);
});

test("One that cannot be made leaves nothing", ({ root, within }) => {
  const make = (folder: string) => {
    writeFileSync(join(folder, "main"), "half");
    throw new Error("no space");
  };
  assert.throws(
    () => keptProgram({ main: "main", make }, { root, within }),
    /no space/,
  );
  assert.equal(readdirSync(within), []);
});

test("One that nobody has asked for in a day goes when the next is made", (context) => {
  const first = kept(context);
  const hoursAgo = (hours: number) =>
    utimesSync(dirname(first), 0, Date.now() / 1000 - 3600 * hours);
  hoursAgo(23);
  kept(context, "2");
  assert.ok(existsSync(first));
  hoursAgo(25);
  kept(context, "2");
  assert.ok(existsSync(first), "only when another is made");
  kept(context, "3");
  assert.not.ok(existsSync(first));
});

test("Of many within a day the last eight stay", (context) => {
  const all = Array.from({ length: 10 }, (_, i) => {
    const path = kept(context, String(i));
    // The clock of the files may be coarser than two of them take.
    utimesSync(dirname(path), 0, Date.now() / 1000 - 60 + i);
    return path;
  });
  const last = kept(context, "last");
  assert.equal(all.filter((path) => existsSync(path)), all.slice(3));
  assert.ok(existsSync(last));
});

test.run();
