/** `ctdbx glock` and `lease`: what is refused before anything is asked; commands that are stopped, and their guard. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { GuardedChild } from "../../cli/guarded_child.ts";
import { isAlive, until } from "../../cli/processes.ts";
import { run } from "../../cli/run.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { limit } from "../limit.ts";
import { Process } from "../live/process.ts";
import { capture } from "./capture.ts";

const test = suite("cluster locks as commands");
const IMAGES = new RealImageStore();
const STEP_MS = 20_000;

async function refusal(...words: readonly string[]): Promise<string> {
  const terminal = capture();
  const exit = await run(words, { terminal, store: IMAGES });
  assert.is(exit, 2, terminal.errText());
  return terminal.errText();
}

test("wrong options are refused by name", async () => {
  const cmd = ["--home", "/nowhere", "--", "true"];
  assert.match(await refusal("glock", "run", "a", "--nonblock", "--wait", "1", ...cmd), "--wait");
  assert.match(await refusal("glock", "run", "", ...cmd), "0 bytes");
  assert.match(await refusal("glock", "run", "n".repeat(1025), ...cmd), "1025 bytes");
  assert.match(
    await refusal("lease", "run", "a", "--ttl", "1", "--kill-after", "1", ...cmd),
    "--ttl",
  );
  assert.match(await refusal("glock", "run", "a", "--kill-after", "61", ...cmd), "--kill-after");
  assert.match(await refusal("glock", "run", "a", "-E", "256", ...cmd), "-E");
  assert.match(await refusal("glock", "run", "a", "--home", "/nowhere"), "command");
});

function child(text: string): GuardedChild {
  return new GuardedChild({ command: ["sh", "-c", text], env: { LOCK: "of it" }, isQuiet: true });
}

test(
  "exit codes are as a shell has them",
  limit(STEP_MS, async () => {
    assert.is(await child('test "$LOCK" = "of it"').ended, 0);
    assert.is(await child("exit 42").ended, 42);
    assert.is(await child("kill -TERM $$").ended, 143);
    const none = { env: {}, isQuiet: true };
    assert.is(await new GuardedChild({ ...none, command: ["/nowhere/cmd"] }).ended, 127);
    assert.is(await new GuardedChild({ ...none, command: ["/tmp"] }).ended, 126);
  }),
);

test(
  "TERM, and KILL for what does not heed it, with all that it has started",
  limit(STEP_MS, async () => {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-guard-"));
    const mark = join(folder, "mark");
    const ready = async (text: string): Promise<GuardedChild> => {
      rmSync(mark, { force: true });
      const one = child(`${text}; : >'${mark}'; while :; do sleep 0.01; done`);
      assert.ok(await until(() => existsSync(mark), STEP_MS));
      return one;
    };
    try {
      const heeds = await ready("trap 'exit 7' TERM");
      heeds.stop(STEP_MS);
      assert.is(await heeds.ended, 7);
      const ignores = await ready("trap '' TERM");
      ignores.stop(50);
      assert.is(await ignores.ended, 137);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

/** A program that runs a command that leaves a mark and waits; `then`: what the program does in the same turn. */
function wrapper(path: string, then: string): Process {
  const url = new URL("../../cli/guarded_child.ts", import.meta.url).href;
  const code = `import process from "node:process";
    import { GuardedChild } from ${JSON.stringify(url)};
    const text = 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec sleep 300';
    const command = ["sh", "-c", text, ${JSON.stringify(path)}];
    const one = new GuardedChild({ command, env: {}, isQuiet: true });
    ${then}`;
  const isDeno = process.versions["deno"] !== undefined;
  return new Process(
    isDeno ? [process.execPath, "eval", code] : [process.execPath, "-e", code],
  );
}

function pidAt(path: string): number {
  return existsSync(path) ? Number(readFileSync(path, "utf8")) : 0;
}

test(
  "a command dies with the process that runs it, however that ends",
  limit(STEP_MS, async () => {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-guard-"));
    const path = join(folder, "pid");
    const one = wrapper(path, "await one.ended;");
    const pid = () => pidAt(path);
    try {
      assert.ok(await until(() => pid() > 0, STEP_MS), one.err);
      assert.ok(isAlive(pid()));
      one.signal("SIGKILL");
      assert.ok(await until(() => !isAlive(pid()), STEP_MS), "it has ended, too");
    } finally {
      await one.end();
      if (pid() > 0 && isAlive(pid())) process.kill(pid(), "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

test(
  "a command does not run when the process that starts it is killed in that moment",
  limit(STEP_MS, async () => {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-guard-"));
    const path = join(folder, "pid");
    try {
      const one = wrapper(path, "process.kill(process.pid, 'SIGKILL');");
      // Its stderr is closed when nobody has it any more: neither it, nor the gate, nor the command.
      assert.is(await one.ended, "SIGKILL", one.err);
      assert.not(existsSync(path), "the command has run");
    } finally {
      const pid = pidAt(path);
      if (pid > 0 && isAlive(pid)) process.kill(pid, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

test.run();
