/** Man pages: made of the whole tree, in their form, and without a complaint of the formatter where there is one. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { manPages } from "../../cli/man_text.ts";
import { run } from "../../cli/run.ts";
import { skip } from "../limit.ts";
import { capture } from "./capture.ts";
import { closedWorld, wholeTree } from "./tree_rig.ts";

const test = suite("cli/man");
const PARTS = await wholeTree();
const PAGES = manPages(PARTS, "9.9.9");

test("a page for the program, and one for each first word", () => {
  const words = PARTS[0]?.inner.map(({ name }) => `ctdbx-${name}.1`) ?? [];
  assert.equal(PAGES.map(({ file }) => file), ["ctdbx.1", ...words]);
});

for (const { file, text } of PAGES) {
  test(`sections in their order, requests that are some: ${file}`, () => {
    assert.match(text, /^\.TH "CTDBX[^"]*" "1" "" "ctdbx 9\.9\.9" "User Commands"\n\.SH NAME\n/);
    const sections = [...text.matchAll(/^\.SH (.*)$/gm)].map((match) => match[1]);
    const wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "ENVIRONMENT"];
    assert.equal(sections.filter((name) => wanted.includes(name ?? "")), wanted);
    for (const line of text.split("\n")) {
      const request = /^\.(\S+)/.exec(line)?.[1];
      const known = ["TH", "SH", "SS", "TP", "B", "I", "BR", "RI", "br"];
      assert.ok(request === undefined || known.includes(request), line);
      assert.not.match(line, /^'/, "a line that begins with a quote is a request");
      assert.not.match(line.replaceAll("\\-", ""), /^\.B --/, "a hyphen that could be broken");
    }
  });
}

test("every command, option and argument of the tree is in a page", () => {
  for (const part of PARTS.filter(({ inner, words }) => inner.length === 0 && words !== "")) {
    const [first] = part.words.split(" ");
    const page = PAGES.find(({ file }) => file === `ctdbx-${first}.1`)?.text ?? "";
    const plain = page.replaceAll("\\-", "-").replaceAll("\\(dq", '"');
    const at = plain.indexOf(`.SS ctdbx ${part.words} `);
    assert.ok(at >= 0, part.words);
    const own = plain.slice(at).split(/\n\.S[SH] /)[0] ?? "";
    for (const { flags } of part.options) assert.ok(own.includes(`.B ${flags}\n`), flags);
  }
});

test("`ctdbx man FOLDER` writes them, and groff has nothing to say about them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-man-"));
  try {
    const terminal = capture();
    assert.is(await run(["man", join(folder, "new")], closedWorld(terminal)), 0);
    const files = readdirSync(join(folder, "new"));
    assert.equal(files.sort(), PAGES.map(({ file }) => file).sort());
    const isThere = spawnSync("groff", ["--version"]).status === 0;
    if (!isThere) skip("there is no groff");
    for (const file of files) {
      const path = join(folder, "new", file);
      const { status, stdout, stderr } = spawnSync("groff", ["-man", "-ww", "-Tutf8", path], {
        encoding: "utf8",
      });
      assert.equal([status, stderr], [0, ""], file);
      assert.ok(stdout.length > 500, file);
      assert.not.match(readFileSync(path, "utf8"), /undefined|\[object/);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
