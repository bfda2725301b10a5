/**
 * The program as it is shipped: on Bun the binary, on Deno the bundle, from an empty folder with an empty environment.
 * Threads, foreign functions, kernels, message server and all start of itself work there as from the sources.
 */

import { copyFileSync, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { askOnce, look } from "../../cli/commands/asking.ts";
import { devNode } from "../../cli/dev_cluster.ts";
import { isAlive, supervisorOf, until } from "../../cli/processes.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { DaemonHome } from "./daemon_home.ts";
import { command, dataOf, kill } from "./dev_rig.ts";
import { NatsRig } from "./nats.ts";
import { IS_BINARY, natsEnv, PackedProgram } from "./packed.ts";
import { Process } from "./process.ts";
import { filesMade } from "./traced_files.ts";

interface Context {
  program: PackedProgram;
  store: RealImageStore;
}

/** One row of `dev status`. */
interface DevRow {
  readonly name: string;
  readonly pid: number | null;
  readonly condition: string;
}

const WAIT_MS = 20_000;
/** The bundle is the same program, and its nodes cost more. */
const NODES = IS_BINARY ? 3 : 2;
const test = suite<Context>(IS_BINARY ? "binary" : "bundle");

/** A test of what only the binary has; a bundle leaves servers, caches and options to its runtime. */
function onlyBinary(name: string, run: (context: Context) => void | Promise<void>): void {
  if (IS_BINARY) test(name, run);
}

test.before(limit(60_000, (context) => {
  context.program = PackedProgram.build();
  context.store = new RealImageStore();
}));
test.after(({ program }) => program?.remove());

/** Stops the cluster; all that it has started ends. The guard of the keeper sees its end a moment later. */
async function down({ program }: Context, home: string): Promise<void> {
  program.ok(["dev", "down", "--home", home]);
  await until(() => program.processes().length === 0, WAIT_MS);
  assert.equal(program.running(), []);
}

test("It says what it is", ({ program }) => {
  assert.match(program.ok(["--version"]), /^\d+\.\d+\.\d+\n$/);
  const said = program.json<Record<string, unknown>>(["version"]);
  assert.is(said["form"], IS_BINARY ? "binary" : "bundle");
  assert.match(String(said["runtime"]), IS_BINARY ? /^Bun / : /^Deno /);
  tool("nats-server");
  if (!IS_BINARY) return;
  const embedded = program.json<Record<string, unknown>>(["version"], {
    CTDBX_NATS_SERVER: "embedded",
  });
  assert.is(embedded["natsFrom"], "embedded");
  assert.match(String(embedded["natsServer"]), /^\d+\.\d+\.\d+/);
});

test("A folder that cannot be made is named, with what to do", ({ program }) => {
  const { exit, err } = program.run(["dev", "up", "--home", "/proc/none/here"]);
  assert.is(exit, 3);
  assert.match(err, /^ctdbx: Cannot make a cluster in \/proc\/none\/here: /);
  assert.match(err, /--home names another folder/);
});

test(
  "Nodes come up from an empty folder with an empty environment, survive a kill and a new file of the program",
  limit(90_000, async (context) => {
    const { program } = context;
    assert.equal(readdirSync(program.work), []);
    program.ok(["dev", "up", "--nodes", String(NODES), "--home", "a"], natsEnv());
    const before = program.json<DevRow[]>(["dev", "status", "--home", "a"]).map(({ pid }) => pid);
    assert.is(before.length, NODES);
    // Looked at by this process, which needs no start each time.
    const rows = async () =>
      dataOf<DevRow[]>(
        (await command(["dev", "status", "--home", join(program.work, "a"), "-o", "json"])).out,
      );
    const status = program.json<{ leader: string; nodes: unknown[] }>(
      ["cluster", "status", "--home", "a/n0"],
    );
    assert.is(status.nodes.length, NODES);
    program.ok(["dev", "chaos", "kill", "leader", "--home", "a"]);
    const isBack = await until(async () => {
      const now = await rows();
      return now.every(({ pid, condition }) => pid !== null && condition === "ok") &&
        now.filter(({ pid }, index) => pid !== before[index]).length === 1;
    }, WAIT_MS);
    assert.ok(isBack, JSON.stringify(await rows()));
    program.ok(["cluster", "wait", "--for", "all-ok", "--timeout", "20", "--home", "a/n0"]);
    await threadWorks(program, "a");
    await replaced(program, "a");
    await down(context, "a");
    assert.equal(readdirSync(program.work), ["a"]);
  }),
);

/** The metadata thread of a node takes a record, and another node's gets it. */
async function threadWorks({ work }: PackedProgram, home: string): Promise<void> {
  const paths = [0, 1].map((index) => devNode(join(work, home), index));
  const [one, other] = paths as [typeof paths[0] & object, typeof paths[0] & object];
  const isSet = await until(
    () => askOnce(one, "meta set", { key: "k", value: "v" }).then(() => true, () => false),
    WAIT_MS,
  );
  assert.ok(isSet, "n0 takes a record");
  const hasCome = await until(async () => {
    const list = await askOnce(other, "meta list").catch(() => []) as { key: string }[];
    return list.some(({ key }) => key === "k");
  }, WAIT_MS);
  assert.ok(hasCome, "n1 has it");
}

/** Replaced while it runs, it starts what has ended with the new one. */
async function replaced(program: PackedProgram, home: string): Promise<void> {
  copyFileSync(program.path, `${program.path}~`);
  renameSync(`${program.path}~`, program.path);
  const run = join(program.work, home, "n0/run");
  const before = supervisorOf(run) ?? 0;
  assert.ok(before > 0);
  kill(before, "SIGKILL");
  const isBack = await until(() => {
    const now = supervisorOf(run);
    return now !== undefined && now !== before;
  }, WAIT_MS);
  assert.ok(isBack, readFileSync(join(program.work, home, "keeper.log"), "utf8"));
  program.ok(["cluster", "wait", "--for", "all-ok", "--timeout", "20", "--home", `${home}/n0`]);
}

/** The nats-servers that the program has started: the files that they are. */
function serversOf(program: PackedProgram): string[] {
  return program.processes().map(fileOf).filter((path) => path.includes("nats-server"));
}

/** The file that a process is; "" when it has gone meanwhile. */
function fileOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return "";
    throw error;
  }
}

onlyBinary(
  "Without an installed server the one inside is unpacked, into the user's cache where there is one",
  limit(60_000, async (context) => {
    const { program } = context;
    tool("nats-server");
    const home = join(program.work, "home");
    const env = { CTDBX_NATS_SERVER: "embedded", HOME: home };
    program.ok(["dev", "up", "--nodes", "1", "--home", "b"], env);
    const servers = serversOf(program);
    await down(context, "b");
    assert.is(servers.length, 1);
    assert.ok(servers[0]?.startsWith(join(home, ".cache/ctdbx/nats-server-")), servers[0]);
    const unpacked = readdirSync(join(home, ".cache/ctdbx"));
    assert.is(unpacked.length, 1);
    assert.is(statSync(join(home, ".cache/ctdbx")).mode & 0o777, 0o700);
  }),
);

/** Has somebody asked the kernel for a lock of this file, and not got it yet? */
function isWaitedFor(path: string): boolean {
  const inode = `:${statSync(path).ino} `;
  return readFileSync("/proc/locks", "utf8").split("\n")
    .some((line) => line.includes("->") && line.includes(inode));
}

/** Puts a record while somebody else has all of the file locked: the waiting is a thread's. */
async function putWaits(
  { program, store }: Context,
  name: string,
  start: (words: readonly string[]) => Process,
): Promise<void> {
  const path = join(program.work, name);
  program.ok(["tdb", "create", name]);
  const image = store.open(path);
  let put;
  try {
    assert.ok(image.tryLock({ start: 0, length: 1 << 20 }, "write"));
    put = start(["tdb", "put", name, "key", "value", "--timeout", "20"]);
    assert.ok(await until(() => isWaitedFor(path), WAIT_MS), `nobody waits: ${put.err}`);
  } finally {
    image.close();
  }
  assert.is(await put.ended, 0, put.err);
  assert.is(program.ok(["tdb", "get", name, "key"]), "value");
}

test("A database is read and written; a lock that is taken is waited for", async (context) => {
  await putWaits(context, "d.tdb", (words) => context.program.start(words));
});

onlyBinary(
  "The bundle does so without Deno, too",
  limit(60_000, async (context) => {
    const { program } = context;
    const bundle = program.buildBundle();
    await putWaits(
      context,
      "e.tdb",
      (words) => new Process(program.alone([process.execPath, bundle, ...words])),
    );
  }),
);

test(
  "The file lock's thread works; a supervisor in the foreground ends with SIGTERM as the unit wants it",
  limit(60_000, async ({ program }) => {
    const rig = new NatsRig();
    const home = await DaemonHome.member();
    const lock = join(program.work, "leader.lock");
    try {
      const server = await rig.server();
      home.configure(server.port, "", `kind = "file"\npath = "${lock}"`);
      const supervisor = program.start(["daemon", "supervise", "--home", home.home]);
      const isUp = until(async () => {
        const said = await look(home.paths, "cluster health").catch(() => undefined);
        return (said as { troubles: string[] } | undefined)?.troubles.length === 0;
      }, WAIT_MS);
      assert.is(await Promise.race([isUp, supervisor.ended]), true, supervisor.err);
      // Where the disk takes its time there may be a leader before its record is there.
      const isWritten = () => Promise.resolve(existsSync(lock) && statSync(lock).size > 8);
      assert.ok(await until(isWritten, WAIT_MS), "the lock has no record");
      supervisor.signal("SIGTERM");
      const late = new Promise<string>((resolve) => setTimeout(resolve, stopLimitMs(), "late"));
      assert.is(await Promise.race([supervisor.ended, late]), 0);
      assert.ok(!isAlive(supervisor.pid));
    } finally {
      await home.end();
      await rig.end();
    }
  }),
);

/** TimeoutStopSec of the unit, ms. */
function stopLimitMs(): number {
  const unit = readFileSync(
    new URL("../../build/package/ctdbx@.service", import.meta.url),
    "utf8",
  );
  return 1000 * Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
}

onlyBinary(
  "It makes no file outside of its folder, where the server inside is unpacked, too",
  limit(90_000, async (context) => {
    const { program } = context;
    const strace = tool("strace");
    tool("nats-server");
    const made = await filesMade(program, strace, async (traced) => {
      const up = traced(["dev", "up", "--nodes", "1", "--home", "g"], {
        CTDBX_NATS_SERVER: "embedded",
      });
      // It says something when all nodes are up.
      assert.type(await Promise.race([up.lines.take(), up.ended]), "string", up.err);
      const servers = serversOf(program);
      assert.is(servers.length, 1);
      assert.ok(servers[0]?.startsWith(join(program.work, "g/nats/nats-server-")), servers[0]);
      program.ok(["dev", "down", "--home", "g"]);
    });
    assert.ok(made.some((path) => path === join(program.work, "g/dev.json")), made.join(" "));
    assert.equal(made.filter((path) => !path.startsWith(`${program.work}/`)), []);
  }),
);

onlyBinary("What lies in the folder where it is started changes nothing", ({ program }) => {
  const files = {
    ".env": "CTDBX_NATS_SERVER=/none\n",
    "bunfig.toml": `preload = ["./preload.ts"]\n`,
    "preload.ts": `console.log("preloaded");\n`,
    "tsconfig.json": "{",
    "package.json": "{",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(program.work, name), text);
  assert.match(program.ok(["--version"]), /^\d+\.\d+\.\d+\n$/);
  const { natsFrom } = program.json<{ natsFrom: string | null }>(["version"]);
  assert.is.not(natsFrom, "/none");
});

test.run();
