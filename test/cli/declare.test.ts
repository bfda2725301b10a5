/** Declared commands: total time, asking before something is destroyed, and how a failure is told. */

import { Command } from "commander";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { declare, Reported, type Spec, type Task } from "../../cli/declare.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { Failure, type Report } from "../../cli/failure.ts";
import { object } from "../../cli/result.ts";
import { text } from "../../cli/schema.ts";
import { capture, type CaptureOptions } from "./capture.ts";
import { closedWorld } from "./tree_rig.ts";

const test = suite("cli/declare");

const DONE = object({ name: text("Name", "what was done") });
type Done = { readonly name: string };

interface Ended {
  readonly report: Report | undefined;
  readonly out: string;
  readonly err: string;
}

/** Runs a command that is declared so. */
async function ran(
  words: readonly string[],
  spec: Partial<Spec<object, Done>>,
  run: (task: Task<object, Done>) => Promise<void> | void,
  options: CaptureOptions = {},
  terminal = capture(options),
): Promise<Ended> {
  const program = new Command("ctdbx").exitOverride();
  declare<object, Done>(
    program.command("try").description("try it"),
    closedWorld(terminal),
    { result: DONE, ...spec },
    run,
  );
  let report: Report | undefined;
  try {
    await program.parseAsync(["try", ...words], { from: "user" });
  } catch (error) {
    assert.instance(error, Reported);
    report = (error as Reported).report;
  }
  return { report, out: terminal.outText(), err: terminal.errText() };
}

const never = () => new Promise<void>(() => {});

test("a total time that is over ends a look with 1, and what may have changed something with 5", async () => {
  const look = await ran(["--timeout", "0.01", "-o", "json"], {}, never);
  assert.is(look.report?.exit, EXIT.other);
  assert.equal(JSON.parse(look.out).error.exit, EXIT.other);
  const change = await ran(["--timeout", "0.01"], { changes: true }, never);
  assert.is(change.report?.exit, EXIT.unknownOutcome);
  assert.is(change.out, "");
});

test("what is shown after the time was over comes too late: JSON was closed", async () => {
  const late = Promise.withResolvers<void>();
  const write = Promise.withResolvers<void>();
  const terminal = capture();
  const { out: text } = await ran(
    ["--timeout", "0.01", "-o", "json"],
    {},
    async (task) => {
      await late.promise;
      task.out.object({ name: "late" });
      task.out.end();
      write.resolve();
    },
    {},
    terminal,
  );
  late.resolve();
  await write.promise;
  assert.is(terminal.outText(), text);
  assert.is(JSON.parse(text).data, null);
});

test("a command that heeds its time itself is told, and ends in its own way", async () => {
  const timeout = { text: "end after so long", seconds: 0.01 };
  const { report, out } = await ran(
    ["-o", "jsonl"],
    { timeout },
    ({ signal, out }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          out.object({ name: "in order" });
          resolve();
        });
      }),
  );
  assert.is(report, undefined);
  assert.is(out, '{"name":"in order"}\n');
});

const DESTROYS = { destroys: "all of it is removed" };
const destroy = async ({ confirm, out }: Task<object, Done>): Promise<void> => {
  await confirm("All of it will be removed");
  out.object({ name: "removed" });
};
const PERSON = { inIsTerminal: true, errIsTerminal: true };

test("nothing is destroyed unasked where nobody can be asked: exit 14", async () => {
  for (const options of [{}, { inIsTerminal: true }, { errIsTerminal: true }]) {
    const { report, out } = await ran([], DESTROYS, destroy, options);
    assert.equal([report?.exit, report?.hint], [14, "--yes says so"]);
    assert.match(report?.message ?? "", "All of it will be removed");
    assert.is(out, "");
  }
  const { report, out } = await ran(["--yes"], DESTROYS, destroy);
  assert.equal([report, out], [undefined, "Name  removed\n"]);
});

test("a person is asked, and only yes is yes", async () => {
  for (
    const [input, isDone] of [["yes\n", true], ["Y\n", true], ["no\n", false], ["\n", false], [
      "",
      false,
    ]] as const
  ) {
    const { report, out, err } = await ran([], DESTROYS, destroy, { ...PERSON, input });
    assert.match(err, /^All of it will be removed\. Go on\? \(yes\/no\) /);
    assert.equal([report?.exit, out], isDone ? [undefined, "Name  removed\n"] : [14, ""], input);
  }
});

test("a failure after the result keeps it: the judgement is an error, the data stands", async () => {
  const { report, out } = await ran(["-o", "json"], {}, ({ out }) => {
    out.object({ name: "half" });
    throw new Failure(EXIT.partial, "Cannot do all: a half is left out", "look");
  });
  assert.is(report?.exit, 9);
  const { data, ok, error } = JSON.parse(out);
  assert.equal([data, ok, error.code, error.hint], [{ name: "half" }, false, "partial", "look"]);
});

test("what nobody expected is reported as a bug, in the envelope too", async () => {
  const { report, out } = await ran(["-o", "json"], {}, () => {
    throw new TypeError("x is not a function");
  });
  assert.equal([report?.exit, report?.code], [1, "internal"]);
  assert.is(JSON.parse(out).error.code, "internal");
});

test.run();
