/** Completion: the script for bash in a real bash; those of other shells by their own syntax check where they are. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { completionScript, type Shell } from "../../cli/completion.ts";
import { run } from "../../cli/run.ts";
import { skip } from "../limit.ts";
import { capture } from "./capture.ts";
import { closedWorld, wholeTree } from "./tree_rig.ts";

interface Context {
  folder: string;
}

const test = suite<Context>("cli/completion");
const PARTS = await wholeTree();

/** A program in the place of ctdbx that knows two nodes, of the home that it is asked for. */
const PROGRAM = `#!/bin/sh
[ "$1 $2" = "node list" ] || exit 1
case "$*" in *"--home /srv/b"*) last=b1 ;; *) last=n1 ;; esac
printf 'pnn,name,addr\\n0,n0,x\\n1,%s,y\\n' "$last"
`;

test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-completion-"));
  const program = join(context.folder, "ctdbx");
  writeFileSync(program, PROGRAM);
  chmodSync(program, 0o755);
  writeFileSync(join(context.folder, "bash"), completionScript("bash", PARTS));
  mkdirSync(join(context.folder, "place", "folder"), { recursive: true });
  writeFileSync(join(context.folder, "place", "a file.tdb"), "");
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** What bash offers for the last of these words. */
function offered({ folder }: Context, words: readonly string[]): string[] {
  const typed = [join(folder, "ctdbx"), ...words].map((word) => `'${word}'`).join(" ");
  const text = `source ../bash
COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; COMPREPLY=()
_ctdbx && printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, status, error } = spawnSync("bash", ["--norc", "-c", text], {
    encoding: "utf8",
    cwd: join(folder, "place"),
  });
  if (error !== undefined) skip("there is no bash");
  assert.is(status, 0);
  return stdout.split("\n").filter((line) => line !== "").sort();
}

test("the script is accepted by bash, and is the completion of ctdbx", ({ folder }) => {
  const text = `set -e; bash -n bash; source ./bash; complete -p ctdbx`;
  const { stdout, status, stderr, error } = spawnSync("bash", ["--norc", "-c", text], {
    encoding: "utf8",
    cwd: folder,
  });
  if (error !== undefined) skip("there is no bash");
  assert.equal([status, stderr], [0, ""]);
  assert.is(stdout, "complete -o default -F _ctdbx ctdbx\n");
});

for (
  const [words, wanted] of [
    [["cl"], ["cluster"]],
    [["lea", ""], []],
    [["leader", ""], ["history", "show", "yield"]],
    [["dev", "chaos", "p"], ["partition", "pause"]],
    [["cluster", "status", "-o", ""], ["csv", "json", "jsonl", "table"]],
    [["cluster", "status", "--output", "=", "js"], ["json", "jsonl"]],
    [["cluster", "status", "--output", "="], ["csv", "json", "jsonl", "table"]],
    [["cluster", "status", "--sch"], ["--schema"]],
    [["tdb", "put", "f", "k", "v", "--mode", "re"], ["replace"]],
    [["tdb", "info", "a"], ["a file.tdb"]],
    [["tdb", "get", "a file.tdb", ""], []],
    [["cluster", "status", "--home", ""], ["folder"]],
    [["node", "status", ""], ["n0", "n1"]],
    [["node", "status", "-n", "n"], ["n0", "n1"]],
    [["node", "status", "--home", "/srv/b", "-n", ""], ["b1", "n0"]],
    [["leader", "yield", "--why", "node", "--to", "n"], ["n0", "n1"]],
    [["completion", "z"], ["zsh"]],
    [["sim", "run", "--seed", ""], []],
  ] as const
) {
  test(`bash offers for: ${words.join(" ") || "nothing"}`, (context) => {
    assert.equal(offered(context, words), [...wanted]);
  });
}

test("bash offers every command, and every option of it", (context) => {
  for (const { words, inner, options } of PARTS.slice(0, 12)) {
    const typed = words === "" ? [] : words.split(" ");
    if (inner.length > 0) {
      assert.equal(offered(context, [...typed, ""]), inner.map(({ name }) => name).sort());
    }
    const names = options.flatMap((option) => option.names).filter((name) => /^--/.test(name));
    assert.equal(offered(context, [...typed, "--"]), [...names, "--help"].sort(), words);
  }
});

for (const [shell, check] of [["zsh", ["-n"]], ["fish", ["--no-execute"]]] as const) {
  test(`the script for ${shell} has every command and option, and passes its own check`, (context) => {
    const script = completionScript(shell as Shell, PARTS);
    for (const { words, options } of PARTS) {
      assert.ok(script.includes(words), words);
      for (const name of options.flatMap((option) => option.names)) {
        const typed = shell === "zsh" ? name : name.replace(/^--(.*)/, "-l $1");
        assert.ok(
          script.includes(typed.replace(/^-(.)$/, shell === "zsh" ? "-$1" : "-s $1")),
          name,
        );
      }
    }
    // Those of the texts apart: they are written as '\'' for zsh, and stand between " for fish.
    const quotes = script.replaceAll(shell === "zsh" ? "'\\''" : /"[^"\n]*"/g, "").match(/'/g);
    assert.is((quotes?.length ?? 0) % 2, 0, "quotes come in pairs");
    const path = join(context.folder, shell);
    writeFileSync(path, script);
    const { status, stderr, error } = spawnSync(shell, [...check, path], { encoding: "utf8" });
    if (error === undefined) assert.equal([status, stderr], [0, ""]);
  });
}

test("`ctdbx completion` prints it, and -o json has it as a text", async () => {
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const raw = capture();
    assert.is(await run(["completion", shell], closedWorld(raw)), 0);
    assert.is(raw.outText(), completionScript(shell, PARTS));
    const json = capture();
    assert.is(await run(["completion", shell, "-o", "json"], closedWorld(json)), 0);
    assert.equal(JSON.parse(json.outText()).data, { shell, script: raw.outText() });
  }
});

test.run();
