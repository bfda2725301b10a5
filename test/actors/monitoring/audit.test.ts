/** Auditing: which verbs, whose arguments, what outcome. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { argsText, audited, LOOKING } from "../../../actors/monitoring/audit.ts";
import type { Call, Verb } from "../../../actors/control.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import {
  AUDIT_ARGS_MAX,
  AUDIT_EVENT,
  type AuditFields,
} from "../../../transport/wire/messages/event.ts";
import type { Tag } from "../../../transport/wire/terms.ts";

const test = suite("audit");

/** Runs a verb; answers what was told, and how the verb ended. */
async function run(
  name: string,
  verb: Verb,
  by: Call["by"],
  args: Record<string, unknown> = {},
): Promise<{ told: AuditFields[]; result: unknown }> {
  const told: AuditFields[] = [];
  let nowMs = 100;
  const auditor = {
    clock: { nowMs: () => nowMs += 7 },
    tell: (fields: AuditFields) => void told.push(fields),
  };
  const call: Call = {
    ...by === undefined ? {} : { by },
    item: () => false,
    onCancel: () => {},
  };
  let result: unknown;
  try {
    result = await audited(name, verb, auditor)(args, call);
  } catch (error) {
    result = error;
  }
  return { told, result };
}

test("done: who, what, how long; the result is passed on", async () => {
  const by = { way: "socket", uid: 0, pid: 42 } as const;
  const { told, result } = await run("node ban", () => ({ ok: 1 }), by, { node: "n1", forMs: 10 });
  assert.equal(result, { ok: 1 });
  assert.equal(told, [{
    verb: "node ban",
    args: "node=n1 forMs=10",
    way: "socket",
    uid: 0,
    pid: 42,
    outcome: "done",
    tookMs: 7,
  }]);
});

test("refused and unknown: the code and the words; the error is passed on", async () => {
  const by = { way: "bus", tag: "aaaaaaaaaa" as Tag } as const;
  for (const [code, outcome] of [["denied", "refused"], ["unknown", "unknown"]] as const) {
    const error = new CtdbxError(code, "Cannot do it: so");
    const { told, result } = await run("user add", () => Promise.reject(error), by);
    assert.is(result, error);
    const [{ outcome: was, code: said, text, way, by: tag } = {} as AuditFields] = told;
    assert.equal([was, said, text, way, tag], [
      outcome,
      code,
      "Cannot do it: so",
      "bus",
      "aaaaaaaaaa",
    ]);
  }
  const { told } = await run("x", () => Promise.reject(new TypeError("odd")), undefined);
  assert.equal([told[0]?.outcome, told[0]?.code, told[0]?.way], ["refused", "io", "socket"]);
});

test("what only looks is not told, and a verb that nobody has thought of is", async () => {
  for (const name of LOOKING) {
    assert.equal((await run(name, () => 1, undefined)).told, [], name);
  }
  assert.is((await run("brand new", () => 1, undefined)).told.length, 1);
});

test("secrets are named and not shown, wherever they stand", () => {
  const text = argsText({
    name: "n3",
    seed: "SUAAA",
    natsSeed: "SUAAA",
    password: "x",
    value: "y",
    inviteId: "abc",
    token: 7n,
    deep: { seed: "SUAAA" },
    list: [1, "two"],
    odd: "a b\n\u001b[2J",
  });
  assert.not.match(text, /SUAAA|abc|[^a-z]y[^a-z]/);
  assert.match(text, "name=n3 seed=(not shown) natsSeed=(not shown) password=(not shown)");
  assert.match(text, String.raw`deep={...} list=1,two odd="a b\n\u001b[2J"`);
});

test("an id that opens a door is not shown, nor in the reason; those of nodes are", async () => {
  const id = "0123456789abcdef".repeat(2);
  const args = { name: id, names: [id, "n1"], nodeId: id };
  assert.is(argsText(args), `name=(not shown) names=(not shown),n1 nodeId=${id}`);
  const error = new CtdbxError("not_found", `Cannot find the invitation of ${id}: nobody is`);
  const { told } = await run("cluster uninvite", () => Promise.reject(error), undefined);
  assert.is(told[0]?.text, "Cannot find the invitation of (not shown): nobody is");
});

test("whatever the arguments, the event is of the declared form", async () => {
  const huge = Object.fromEntries(
    Array.from({ length: 200 }, (_, n) => [`name${n}`, "\ud800".repeat(5000)]),
  );
  const { told } = await run("v".repeat(200), () => 1, undefined, huge);
  const head = {
    v: 1,
    topic: "audit",
    cluster: "c",
    node: "n0",
    tag: "aaaaaaaaaa",
    wallMs: 1,
    seq: 1,
  };
  assert.is(AUDIT_EVENT.form.faultOf({ ...head, ...told[0] }), "");
  assert.ok((told[0]?.args.length ?? 0) <= AUDIT_ARGS_MAX);
});

test.run();
