/** The packages: what was installed by hand is not installed again, and what is of another lock file is. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("build/first");
const FIRST = new URL("../../build/first.mjs", import.meta.url).href;
const { isInstalled } = await import(FIRST) as {
  isInstalled(lock: string | undefined, installed: string | undefined): boolean;
};

type Packages = Record<string, { version?: string; integrity?: string; optional?: boolean }>;

const LOCK: Packages = {
  "": { version: "0.1.0" },
  "node_modules/one": { version: "1.2.3", integrity: "sha512-a" },
  "node_modules/far": { version: "2.0.0", integrity: "sha512-b", optional: true },
};
const text = (packages: Packages) => JSON.stringify({ lockfileVersion: 3, packages });
const { "": _, "node_modules/far": far, ...HERE } = LOCK;

test("what npm has installed of the lock file is enough; packages for other machines may be absent", () => {
  assert.ok(isInstalled(text(LOCK), text(HERE)));
  assert.ok(isInstalled(text(LOCK), text({ ...HERE, "node_modules/far": { ...far } })));
});

test("another version, other bytes, one too few, one too many: to be installed", () => {
  const one = "node_modules/one";
  assert.not(isInstalled(text(LOCK), text({ [one]: { ...LOCK[one], version: "1.2.2" } })));
  assert.not(isInstalled(text(LOCK), text({ [one]: { ...LOCK[one], integrity: "sha512-x" } })));
  assert.not(isInstalled(text(LOCK), text({})));
  assert.not(isInstalled(text(LOCK), text({ ...HERE, "node_modules/old": { version: "1.0.0" } })));
});

test("nothing installed, a text that was cut, and one of another kind: to be installed", () => {
  assert.not(isInstalled(text(LOCK), undefined));
  assert.not(isInstalled(text(LOCK), text(HERE).slice(0, 40)));
  assert.not(isInstalled(text(LOCK), "{}"));
});

test("of this checkout npm's own file says that all is there", () => {
  const of = (path: string) =>
    readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
  assert.ok(isInstalled(of("package-lock.json"), of("node_modules/.package-lock.json")));
});

test.run();
