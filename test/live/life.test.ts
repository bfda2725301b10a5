/**
 * A cluster's life as its user has it: from the program alone, in an empty folder, with an empty environment. Created,
 * two invited and joined, events watched by a plain NATS client, one stopped, explained, replaced, one leaves, the end.
 *
 * Each command is run with `-o json`, and its answer held against the schema that it prints itself.
 *
 * Does NOT promise: each fault on the way; membership.test.ts has those.
 */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { EXIT, type ExitCode } from "../../cli/exit_codes.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { readEvent } from "../../transport/wire/messages/event.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { runningLedger } from "../ledger.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { eventually, WAIT_S } from "./dev_rig.ts";
import { freePorts } from "./nats.ts";
import { ForeignClient } from "./nats_client.ts";
import { IS_BINARY, natsEnv, PackedProgram } from "./packed.ts";

interface Context {
  program: PackedProgram;
  port: number;
  client?: ForeignClient;
  /** What the program has printed as a command's schema, by the command; its arguments do not change it. */
  schemas: Map<string, JsonSchema>;
}

/** What of the answers is looked at. */
interface Told {
  readonly name: string;
  readonly file: string;
  readonly done: boolean;
  readonly leader: string;
  readonly hash: string;
  readonly ok: boolean;
  readonly healthy: boolean;
  readonly steps: readonly { readonly name: string; readonly state: string }[];
  readonly findings: readonly Finding[];
  readonly voters: readonly string[];
  readonly nodes: readonly { readonly name: string; readonly condition?: string }[];
  readonly gone: readonly { readonly name: string; readonly why: string }[];
}

interface Finding {
  readonly id: string;
  readonly node: string;
  readonly commands: readonly string[];
}

/** The time of all of it on a quiet machine is a quarter of this. */
const LIFE_MS = 120_000;
/** Where one runtime runs it for both, it is the binary's; a node of the bundle on Deno takes twice the time. */
const IS_THAT_BINARY = IS_BINARY || (runningLedger()?.isShared ?? false);
const test = sharedSuite<Context>(IS_THAT_BINARY ? "a life, binary" : "a life, bundle");

test.before(limit(60_000, async (context) => {
  natsEnv(IS_THAT_BINARY);
  context.schemas = new Map();
  context.program = PackedProgram.build(IS_THAT_BINARY);
  [context.port = 0] = await freePorts(1);
}));
test.after(async ({ program, client }) => {
  await client?.close();
  program?.remove();
});

/** Runs a command of the program with `-o json`; its `data`, when answer and exit code are as declared. */
function told(context: Context, line: string, exit: ExitCode = EXIT.ok): unknown {
  const words = line.split(" ");
  const ran = context.program.run([...words, "-o", "json"], natsEnv(IS_THAT_BINARY));
  const envelope = checked(context, words, ran.out);
  assert.is(ran.exit, exit, `${line}: ${ran.err}${ran.out}`);
  assert.is(envelope.ok, exit === EXIT.ok, line);
  assert.is(envelope.error?.exit, exit === EXIT.ok ? undefined : exit, line);
  assert.is(ran.err === "", exit === EXIT.ok, `${line}: ${ran.err}`);
  return envelope.data;
}

function one(context: Context, line: string, exit: ExitCode = EXIT.ok): Told {
  return told(context, line, exit) as Told;
}

function many(context: Context, line: string): readonly Told[] {
  return told(context, line) as readonly Told[];
}

/** The envelope that a command has printed, by the command's own schema. */
function checked(
  { program, schemas }: Context,
  words: readonly string[],
  out: string,
): { data: unknown; ok: boolean; error?: { exit: number; message: string } } {
  const name = words.slice(0, words[0] === "nats" ? 3 : 2).join(" ");
  const schema = schemas.get(name) ??
    JSON.parse(program.ok([...words, "--schema"])) as JsonSchema;
  schemas.set(name, schema);
  const envelope = JSON.parse(out);
  assert.equal(wrongs(schema, envelope), [], words.join(" "));
  return envelope;
}

/** Invites and joins, as two people would do it. */
function add(context: Context, name: string, invite = `invite ${name}`): Told {
  const { file } = one(context, `cluster ${invite} --home n0`);
  assert.is(file, join(context.program.work, `${name}.ctdbx-invite`));
  assert.is(statSync(file).mode & 0o777, 0o600);
  const checks = many(context, `cluster preflight ${name}.ctdbx-invite --home ${name}`);
  assert.ok(checks.every(({ ok }) => ok), JSON.stringify(checks));
  assert.not.ok(existsSync(join(context.program.work, name)));
  const joined = one(context, `cluster join ${name}.ctdbx-invite --home ${name}`);
  assert.ok(joined.steps.every(({ state }) => state.endsWith("done")), JSON.stringify(joined));
  return joined;
}

/** Names of nodes, votes, and of who has gone. */
function members(context: Context, at: string): string {
  const { nodes, voters, gone } = one(context, `cluster view --home ${at}`);
  const names = nodes.map(({ name }) => name);
  const left = gone.map(({ name, why }) => `${name}:${why}`);
  return [names, voters.toSorted(), left].map((list) => list.join(" ")).join(" / ");
}

function well(context: Context, at: string): void {
  told(context, `cluster wait --for all-ok,serving --timeout ${WAIT_S} --home ${at}`);
}

test("create: one command in an empty folder, and a node serves", (context) => {
  const { program, port } = context;
  assert.equal(readdirSync(program.work), []);
  const words = `cluster create lab --home n0 --listen 127.0.0.1:${port}`;
  const plan = one(context, `${words} --dry-run`);
  assert.ok(plan.steps.every(({ state }) => state === "to do"));
  assert.equal(readdirSync(program.work), []);
  assert.ok(one(context, words).steps.every(({ state }) => state === "done"));
  well(context, "n0");
  assert.is(members(context, "n0"), "n0 / n0 / ");
});

test("monitor: a key of its own lets a plain NATS client hear all, from now on", async (context) => {
  const { program, port } = context;
  const { file } = one(context, "nats user add screen --role monitor --home n0");
  context.client = await ForeignClient.of(port, "lab", file);
  assert.is(file, join(program.work, "screen.nkey"));
  assert.equal(many(context, "nats user list --home n0").map(({ name }) => name), ["screen"]);
});

test(
  "invite and join: two more, each with a vote; all have one document",
  limit(LIFE_MS, (context) => {
    add(context, "n1");
    add(context, "n2");
    assert.is(members(context, "n2"), "n0 n1 n2 / n0 n1 n2 / ");
    const digests = many(context, "cluster digest --home n1");
    assert.is(digests.length, 3);
    assert.is(new Set(digests.map(({ hash }) => hash)).size, 1);
    const { nodes, leader } = one(context, "cluster status --home n1");
    assert.equal(nodes.map(({ condition }) => condition), ["ok", "ok", "ok"]);
    assert.is(leader, "n0");
    for (const words of ["status", "list", "uptime", "ping"]) {
      const rows = many(context, `node ${words} -n all --home n1`);
      assert.is(rows.length, words === "list" ? 9 : 3, words);
    }
    assert.equal(one(context, "cluster explain --home n2").findings, []);
  }),
);

test("watch: the client hears all three say that they are well", async ({ client }) => {
  await eventually("three tables", () => {
    const conditions = [...client?.table().values() ?? []].map((beat) => beat["condition"]);
    return conditions.join() === "ok,ok,ok";
  });
});

test(
  "stop: the client hears it, so does watch; explain says what was done and how to undo it",
  limit(LIFE_MS, async (context) => {
    const { program, port, client } = context;
    const atNats = `--nats 127.0.0.1:${port} --cluster lab --creds screen.nkey`;
    const words = `watch --topic heartbeat,state ${atNats}`.split(" ");
    const watching = program.start([...words, "-o", "json"]);
    const lines: string[] = [];
    const reading = (async () => {
      for (;;) lines.push(await watching.lines.take());
    })();
    reading.catch(() => {});
    await eventually("watch hears", () => lines.some((line) => line.includes("heartbeat")));
    one(context, "daemon stop --home n2");
    await eventually(
      "the client hears that n2 is out",
      () =>
        client?.of("state").some(({ about, to }) => about === "n2" && to === "disconnected") ===
          true,
    );
    await eventually(
      "watch hears it",
      () => lines.some((line) => line.includes("n2 is disconnected")),
    );
    watching.signal("SIGINT");
    assert.is(await watching.ended, EXIT.ok, watching.err);
    checked(context, words, lines.join("\n"));
    told(context, `cluster wait --for node=n2:disconnected --timeout ${WAIT_S} --home n0`);
    const { findings, healthy } = one(context, "cluster explain --home n0", EXIT.expectation);
    const [{ id, node, commands } = {} as Finding, ...more] = findings;
    assert.equal([healthy, id, node, more.length], [false, "daemon_not_running", "n2", 0]);
    assert.equal(commands, [`ctdbx daemon start --home ${join(program.work, "n2")}`]);
    one(context, "cluster health --home n0", EXIT.expectation);
  }),
);

test(
  "replace: another has its vote; it cannot come back",
  limit(LIFE_MS, async (context) => {
    const { program } = context;
    add(context, "n3", "replace n2 n3");
    well(context, "n3");
    assert.is(members(context, "n3"), "n0 n1 n3 / n0 n1 n3 / n2:replaced");
    // It starts, is told, and ends; after that it is not even started.
    one(context, "daemon start --home n2");
    const home = join(program.work, "n2");
    await eventually("n2 has ended", () => !program.running().some((line) => line.includes(home)));
    one(context, "daemon start --home n2", EXIT.conflict);
    assert.equal(one(context, "cluster explain --home n3").findings, []);
  }),
);

test(
  "leave: asked for once more, then done in order; its home says so",
  limit(LIFE_MS, (context) => {
    one(context, "cluster leave --home n1", EXIT.needsYes);
    assert.ok(one(context, "cluster leave --home n1 --yes").done);
    assert.is(members(context, "n3"), "n0 n3 / n0 n3 / n2:replaced n1:left");
    one(context, "daemon start --home n1", EXIT.conflict);
    // The last two: one leaves, the other is the only one, and does not.
    assert.ok(one(context, "cluster leave n3 --yes --home n0").done);
    one(context, "cluster leave --yes --home n0", EXIT.conflict);
    well(context, "n0");
  }),
);

test("the end: all that the client heard was of the declared form; nothing is left running", async (context) => {
  const { program, client } = context;
  for (const { topic, tag, payload } of client?.heard ?? []) {
    const text = new TextDecoder().decode(payload);
    assert.is(readEvent(topic, JSON.parse(text))?.tag, tag, text);
  }
  one(context, "nats user remove screen --yes --home n0");
  one(context, "daemon stop --home n0");
  await eventually("all has ended", () => program.processes().length === 0);
  const files = ["n0", "n1", "n1.ctdbx-invite", "n2", "n2.ctdbx-invite", "n3", "n3.ctdbx-invite"];
  assert.equal(readdirSync(program.work).sort(), [...files, "screen.nkey"]);
});

test.run();
