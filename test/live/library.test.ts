/**
 * The library against real nodes, in programs on both runtimes at one cluster: every example of its doc comments, its
 * three ways, the packed one, and what Deno must be allowed for each.
 */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { ConnectOptions } from "../../actors/client/types.ts";
import { PACKER } from "../../build/pack.ts";
import { DENO } from "../../build/steps.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { DevCluster } from "./dev_rig.ts";
import { CHECKOUT, output } from "./guide.ts";

interface Context {
  dev: DevCluster | undefined;
  /** A folder for programs, below the checkout's ignored one: "ctdbx" is found from there. */
  folder: string;
  /** The build of the packed library, which goes on beside the first tests. */
  built: Promise<Ran> | undefined;
}

type Ran = Awaited<ReturnType<typeof output>>;

const test = sharedSuite<Context>("library", { dev: undefined, folder: "", built: undefined });
const RUNTIMES = ["bun", "deno"] as const;
type Runtime = typeof RUNTIMES[number];
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
  mkdirSync(join(CHECKOUT, "build/out"), { recursive: true });
  context.folder = mkdtempSync(join(CHECKOUT, "build/out/library-"));
  const build = [PACKER, join(CHECKOUT, "build/library.ts"), libraryOf(context)];
  context.built = output(build, context.folder);
  context.dev = await DevCluster.borrow(3);
}));

test.after(limit(60_000, async ({ dev, folder, built }) => {
  await built;
  await dev?.giveBack();
  rmSync(folder, { recursive: true, force: true });
}));

/** Where the packed library is. */
function libraryOf({ folder }: Context): string {
  return join(folder, "lib");
}

/** Waits for the packed library; where it is. */
async function library(context: Context): Promise<string> {
  const { exit, err = "" } = await context.built ?? {};
  assert.is(exit, 0, err);
  return libraryOf(context);
}

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

/** The words before a program's name on a runtime; permissions are Deno's. */
function start(runtime: Runtime, permissions: readonly string[] = ["-A"]): string[] {
  return runtime === "bun" ? [PACKER] : [DENO, "run", ...permissions];
}

/** What does not compile is told by tsc, by the packed library's declarations. Deno checks another program, below. */
async function compiles(context: Context, file: string): Promise<void> {
  // Not tsconfig.json: runtimes would look for the library's code where its declarations are.
  const project = join(context.folder, "types.json");
  const paths = { ctdbx: [join(await library(context), "types/actors/mod.d.ts")] };
  const rules = { extends: join(CHECKOUT, "tsconfig.json"), include: [file], exclude: [] };
  writeFileSync(project, JSON.stringify({ ...rules, compilerOptions: { paths } }));
  const tsc = join(CHECKOUT, "node_modules/.bin/tsc");
  const { exit, out } = await output([tsc, "--noEmit", "-p", project], context.folder);
  assert.is(exit, 0, out);
}

for (const runtime of RUNTIMES) {
  test(
    `on ${runtime} its three ways do the same, side by side; nobody there: said with what to do`,
    limit(STEP_MS, async (context) => {
      const { home = "", port } = context.dev ?? {};
      const program = [join(CHECKOUT, "test/live/library_child.ts"), home, String(port)];
      const { out, err } = await output([...start(runtime), ...program], nodeHome(context));
      assert.is(out, "side by side\nrefused\n", err);
    }),
  );
}

/** A program that says who it is and counts. */
const PROGRAM = `import { connect } from "ctdbx";
const cluster = await connect(OPTIONS);
const db = await cluster.attach("ways");
console.log(cluster.way, await db.increment("runs") > 0n);
const lock = await db.fetchLock("runs", { timeoutMs: 5000 });
await lock.close();
await cluster.close();
`;

/** Runs it on Deno; what it prints, or its errors. */
async function ran(
  context: Context,
  options: ConnectOptions,
  permissions: readonly string[],
): Promise<string> {
  const file = join(context.folder, "program.ts");
  writeFileSync(file, PROGRAM.replace("OPTIONS", JSON.stringify(options)));
  const { out, err } = await output([...start("deno", permissions), file], nodeHome(context));
  return out === "" ? err : out;
}

test(
  "what Deno must be allowed: for the mapped file, for the socket, for NATS",
  limit(STEP_MS, async (context) => {
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
    await compiles(context, file);
    for (const runtime of RUNTIMES) {
      const { exit, out, err } = await output([...start(runtime), file], nodeHome(context));
      const last = out.split("\n").filter((text) => text.startsWith("actors/")).at(-1);
      assert.is(exit ?? 0, 0, `${runtime}, ${last}: ${err}`);
      assert.is(
        out.split("\n").filter((text) => /^actors\/.*:\d+$/.test(text)).length,
        examples.length,
      );
    }
  }),
);

test(
  "the packed library, in a folder of its own without node_modules of ours",
  limit(STEP_MS, async (context) => {
    const user = mkdtempSync(join(tmpdir(), "ctdbx-library-"));
    try {
      cpSync(await library(context), join(user, "node_modules/ctdbx"), { recursive: true });
      const imports = { ctdbx: "./node_modules/ctdbx/ctdbx.js" };
      writeFileSync(join(user, "deno.json"), JSON.stringify({ imports }));
      for (const options of [{}, { mapped: false }, overNats(context)]) {
        const file = join(user, "program.ts");
        writeFileSync(file, PROGRAM.replace("OPTIONS", JSON.stringify(options)));
        // Its declarations are the same for all three.
        const checks = Object.keys(options).length === 0 ? ["--check"] : [];
        for (const runtime of RUNTIMES) {
          const words = [...start(runtime, [...checks, "-A"]), file];
          const { out, err } = await output(words, nodeHome(context));
          assert.is(out, `${"servers" in options ? "nats" : "local"} true\n`, `${runtime}: ${err}`);
        }
      }
    } finally {
      rmSync(user, { recursive: true, force: true });
    }
  }),
);

test.run();
