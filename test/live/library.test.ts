/**
 * The library against real nodes, on this runtime: every example of its doc comments, its three ways, the packed one,
 * and what Deno must be allowed for each.
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect, CtdbxError, numberOf } from "../../actors/mod.ts";
import type { Cluster, ConnectOptions } from "../../actors/client/types.ts";
import { buildLibrary } from "../../build/library.ts";
import { limit } from "../limit.ts";
import { skip } from "../limit.ts";
import { DevCluster } from "./dev_rig.ts";
import { CHECKOUT, output } from "./guide.ts";

interface Context {
  dev: DevCluster | undefined;
  /** A folder for programs, below the checkout's ignored one: "ctdbx" is found from there. */
  folder: string;
}

const test = suite<Context>("library", { dev: undefined, folder: "" });
const IS_DENO = process.versions["deno"] !== undefined;
const STEP_MS = 90_000;
const SOURCES = ["actors/mod.ts", "actors/client/types.ts", "actors/client/database_types.ts"];

function nodeHome({ dev }: Context, index = 0): string {
  if (dev === undefined) throw new Error("no cluster");
  return join(dev.home, `n${index}`);
}

/** How programs of the bus alone reach the cluster. */
function overNats({ dev }: Context): ConnectOptions & { servers: string[]; cluster: string } {
  if (dev === undefined) throw new Error("no cluster");
  return {
    servers: [`127.0.0.1:${dev.port}`],
    cluster: "dev",
    keyFile: join(dev.home, "keys", "client.nkey"),
  };
}

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.up(3);
  mkdirSync(join(CHECKOUT, "build/out"), { recursive: true });
  context.folder = mkdtempSync(join(CHECKOUT, "build/out/library-"));
}));

test.after(limit(60_000, async ({ dev, folder }) => {
  await dev?.down();
  rmSync(folder, { recursive: true, force: true });
}));

/** The blocks of TypeScript in the doc comments of a file, each with the line where it begins. */
function examplesOf(path: string): { readonly line: number; readonly code: string[] }[] {
  const found: { line: number; code: string[] }[] = [];
  let block: string[] | undefined;
  readFileSync(join(CHECKOUT, path), "utf8").split("\n").forEach((text, index) => {
    const line = /^ *\* ?(.*)$/.exec(text)?.[1];
    if (line === "```ts") found.push({ line: index + 1, code: block = [] });
    else if (line === "```") block = undefined;
    else if (line !== undefined) block?.push(line);
  });
  return found;
}

/** The words before a program's name on this runtime. */
function runtime(...permissions: readonly string[]): string[] {
  if (!IS_DENO) return [process.execPath];
  return [process.execPath, "run", ...permissions.length > 0 ? permissions : ["-A"]];
}

/** What does not compile is told by tsc, as for all programs here. Deno checks the packed library, below. */
function compiles(folder: string, file: string): void {
  const project = join(folder, "tsconfig.json");
  const rules = { extends: join(CHECKOUT, "tsconfig.json"), include: [file], exclude: [] };
  writeFileSync(project, JSON.stringify(rules));
  const tsc = join(CHECKOUT, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(tsc, ["--noEmit", "-p", project], { encoding: "utf8" });
  assert.is(status, 0, stdout);
}

test(
  "every example of a doc comment runs, and compiles",
  limit(STEP_MS, async (context) => {
    const examples = SOURCES.flatMap((path) => examplesOf(path).map((one) => ({ ...one, path })));
    assert.ok(examples.length >= 30, `${examples.length} examples`);
    const file = join(context.folder, "examples.ts");
    const bodies = examples.map(({ path, line, code }) => `
await (async () => {
  console.log("${path}:${line}");
  const cluster = await connect();
  const db = await cluster.attach("visits");
  {
${code.map((text) => `    ${text}`).join("\n")}
  }
  void db;
  await cluster.close();
})();`);
    const head = `import { connect, CtdbxError, KEEP, numberOf } from "ctdbx";
void [CtdbxError, KEEP, numberOf];`;
    writeFileSync(file, `${head}\n${bodies.join("\n")}\n`);
    if (!IS_DENO) compiles(context.folder, file);
    const { exit, out, err } = await output([...runtime(), file], nodeHome(context));
    const last = out.split("\n").filter((text) => text.startsWith("actors/")).at(-1);
    assert.is(exit ?? 0, 0, `${last}: ${err}`);
    assert.is(
      out.split("\n").filter((text) => /^actors\/.*:\d+$/.test(text)).length,
      examples.length,
    );
  }),
);

test(
  "its three ways do the same, side by side",
  limit(STEP_MS, async (context) => {
    const ways: readonly ConnectOptions[] = [
      { home: nodeHome(context, 0) },
      { home: nodeHome(context, 1), mapped: false },
      overNats(context),
      { home: nodeHome(context, 2) },
    ];
    const clusters: Cluster[] = [];
    for (const way of ways) clusters.push(await connect(way));
    try {
      const dbs = await Promise.all(clusters.map((cluster) => cluster.attach("ways")));
      const rounds = 25;
      const text = new TextDecoder();
      // On a busy machine a node may lose its lease for a moment: then nobody knows whether it was done.
      const unknown = { count: 0, number: 0 };
      const doing = async (what: keyof typeof unknown, work: Promise<unknown>) => {
        await work.catch((error) => {
          if (!(error instanceof CtdbxError) || error.code !== "unknown") throw error;
          unknown[what] += 1;
        });
      };
      await Promise.all(dbs.map(async (db) => {
        for (let n = 0; n < rounds; n++) {
          await doing("count", db.update("count", (value) => `${Number(text.decode(value)) + 1}`));
          await doing("number", db.increment("number"));
        }
      }));
      const all = rounds * dbs.length;
      const isBetween = (found: number, what: keyof typeof unknown) =>
        assert.ok(found <= all && found >= all - unknown[what], `${what}: ${found} of ${all}`);
      for (const db of dbs) {
        isBetween(Number(text.decode(await db.read("count"))), "count");
        isBetween(Number(numberOf(await db.read("number"))), "number");
        assert.is(await db.count(), 2);
      }
      const ears = await clusters[2]!.listen(5n);
      assert.is(await clusters[0]!.send(clusters[2]!.pnn, 5n, "over"), 1);
      const { value } = await ears.next();
      assert.is(value?.type === "message" && text.decode(value.data), "over");
    } finally {
      for (const cluster of clusters) await cluster.close();
    }
  }),
);

test("nobody there: said with what to do", async (context) => {
  const { servers, cluster } = overNats(context);
  const monitor = join(nodeHome(context), "..", "keys", "monitor.nkey");
  const wishes: readonly (readonly [ConnectOptions, string, RegExp])[] = [
    [{ home: dirname(nodeHome(context)) }, "not_found", /is a cluster of dev; its nodes are/],
    [{ home: context.folder }, "not_found", /is it the folder of a node/],
    [{ node: "no such" }, "config", /as the name of a node/],
    // What is refused is said at once; these would wait for longer than the test may.
    [{ servers, cluster }, "denied", /refuses a client without credentials/],
    [{ ...overNats(context), cluster: "other" }, "denied", /cluster other: the server forbids/],
    [{ servers, cluster, keyFile: monitor }, "denied", /cluster dev: the server forbids/],
    [{ servers: ["127.0.0.1:1"], cluster: "dev", timeoutMs: 1500 }, "timeout", /no NATS/],
    [{ servers: ["127.0.0.1:1"] }, "config", /name the cluster/],
  ];
  for (const [options, code, words] of wishes) {
    const patient = "servers" in options ? { timeoutMs: 600_000, ...options } : options;
    const error = await connect(patient).then(() => undefined, (thrown) => thrown as CtdbxError);
    assert.ok(error instanceof CtdbxError && words.test(error.message), String(error));
    assert.is(error.code, code, error.message);
  }
});

/** A program that says who it is and counts. */
const PROGRAM = `import { connect } from "ctdbx";
const cluster = await connect(OPTIONS);
const db = await cluster.attach("ways");
console.log(cluster.way, await db.increment("runs") > 0n);
const lock = await db.fetchLock("runs", { timeoutMs: 5000 });
await lock.close();
await cluster.close();
`;

/** Runs it; throws its errors. */
async function ran(
  context: Context,
  options: ConnectOptions,
  permissions: readonly string[],
): Promise<string> {
  const file = join(context.folder, "program.ts");
  writeFileSync(file, PROGRAM.replace("OPTIONS", JSON.stringify(options)));
  const { out, err } = await output([...runtime(...permissions), file], nodeHome(context));
  return out === "" ? err : out;
}

test(
  "what Deno must be allowed: for the mapped file, for the socket, for NATS",
  limit(STEP_MS, async (context) => {
    if (!IS_DENO) skip("permissions are Deno's");
    const home = nodeHome(context);
    const socket = join(home, "run/data.sock");
    const toSocket = [
      `--allow-read=${socket}`,
      `--allow-write=${socket}`,
      `--allow-net=unix:${socket}`,
    ];
    assert.is(await ran(context, { home }, ["--allow-ffi", ...toSocket]), "local true\n");
    const unmapped = { home, mapped: false };
    assert.is(await ran(context, unmapped, toSocket), "local true\n");
    const { keyFile = "", ...nats } = overNats(context);
    const toServer = [`--allow-net=${nats.servers[0]}`, `--allow-read=${keyFile}`];
    assert.is(await ran(context, { ...nats, keyFile }, toServer), "nats true\n");
    // What is missing is named.
    assert.match(await ran(context, { home }, toSocket), "mapped: false");
    assert.match(await ran(context, unmapped, toSocket.slice(0, 2)), "--allow-net");
  }),
);

test(
  "the packed library, in a folder of its own without node_modules of ours",
  limit(STEP_MS, async (context) => {
    const user = mkdtempSync(join(tmpdir(), "ctdbx-library-"));
    try {
      const { path } = buildLibrary(join(context.folder, "lib"));
      cpSync(path, join(user, "node_modules/ctdbx"), { recursive: true });
      const imports = { ctdbx: "./node_modules/ctdbx/ctdbx.js" };
      writeFileSync(join(user, "deno.json"), JSON.stringify({ imports }));
      for (const options of [{}, { mapped: false }, overNats(context)]) {
        const file = join(user, "program.ts");
        writeFileSync(file, PROGRAM.replace("OPTIONS", JSON.stringify(options)));
        // Its declarations are the same for all three.
        const checks = IS_DENO && Object.keys(options).length === 0 ? ["--check", "-A"] : [];
        const { out, err } = await output([...runtime(...checks), file], nodeHome(context));
        assert.is(out, `${"servers" in options ? "nats" : "local"} true\n`, err);
      }
    } finally {
      rmSync(user, { recursive: true, force: true });
    }
  }),
);

test.run();
