/** The leader lock's backends: JetStream on one server and on three, a file, a helper, single. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cPath, LOCK_COMMAND, LOCK_TYPE, OPEN, openLibc } from "../../transport/ffi.ts";
import type { LeaderLock, LockSeen } from "../../transport/leader_lock.ts";
import { Guard } from "../../transport/real_child.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { FileLock } from "../../transport/real_file_lock.ts";
import { HelperLock } from "../../transport/real_command_lock.ts";
import { KvLock } from "../../transport/real_kv.ts";
import { SingleLock } from "../../transport/single_lock.ts";
import { loneLockContract, look, recordOf, registerContract, seen } from "../contracts/lock.ts";
import { write, written } from "../contracts/lock.ts";
import { Inbox } from "../contracts/port_fixture.ts";
import { limit } from "../limit.ts";
import { NatsRig, startTrio, until } from "./nats.ts";

const clock = new RealClock();
const guard = new Guard();
const waits = { wait: <T>(promise: Promise<T>): Promise<T> => promise };
const rigs: NatsRig[] = [];
const folders: string[] = [];
const files: FileLock[] = [];

function newRig(): NatsRig {
  const rig = new NatsRig();
  rigs.push(rig);
  return rig;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-lock-"));
  folders.push(folder);
  return folder;
}

/** A lock whose thread has ended before its folder goes: a write that was given up may still be under way in it. */
function fileLock(path: string): FileLock {
  const lock = new FileLock({ path, clock });
  files.push(lock);
  return lock;
}

async function clean(): Promise<void> {
  for (const lock of files.splice(0)) await lock.close();
  for (const rig of rigs.splice(0)) await rig.end();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Waits until the register answers: a new stream has no leader for a moment. */
async function answering(lock: LeaderLock): Promise<LeaderLock> {
  while ((await look(lock)).kind === "unknown") { /* it takes its time itself */ }
  return lock;
}

/** Holds a whole file, as another process would. */
class Blocker {
  readonly #libc = openLibc();
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = this.#libc.open(cPath(path), OPEN.RDWR | OPEN.CREAT | OPEN.CLOEXEC, 0o600);
    const { OFD_SETLK } = LOCK_COMMAND;
    assert.is(this.#libc.flock(this.#fd, OFD_SETLK, LOCK_TYPE.WRITE, 0, 0), 0);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}

/** Each pair has a register of its own. */
const names = (function* () {
  for (let n = 1;; n++) yield n;
})();

registerContract("JetStream lock, one server", async () => {
  const rig = newRig();
  const server = await rig.server({ name: "js", storeFolder: rig.store("js") });
  const [one, two] = [await rig.bus(server.address), await rig.bus(server.address)];
  return {
    ...waits,
    pair: () => {
      const cluster = `pair-${names.next().value}`;
      const lock = (bus: typeof one) => answering(new KvLock({ bus, cluster, clock }));
      return Promise.all([lock(one), lock(two)]);
    },
  };
}, clean);

registerContract("JetStream lock, three servers", async () => {
  const rig = newRig();
  const [first, second] = await startTrio(rig);
  const [one, two] = [await rig.bus(first.address), await rig.bus(second.address)];
  return {
    ...waits,
    pair: () => {
      const cluster = `trio-${names.next().value}`;
      const lock = (bus: typeof one) => answering(new KvLock({ bus, cluster, clock }));
      return Promise.all([lock(one), lock(two)]);
    },
  };
}, clean);

registerContract("file lock", () => {
  const folder = newFolder();
  return {
    ...waits,
    pair: () => {
      const path = join(folder, `lock-${names.next().value}`);
      // Two threads, each with its own open file: strangers to each other, as two machines are.
      return Promise.all([
        answering(fileLock(path)),
        answering(fileLock(path)),
      ]);
    },
  };
}, clean);

/** Holds a directory that nobody else can make; says so as ctdb's helpers do, without a line's end. */
const HELPER = `mkdir "$1" 2>/dev/null || { printf 1; exit 0; }
printf 0
trap 'rmdir "$1"' EXIT
sleep 1000 & wait
`;

loneLockContract("helper lock", () => ({
  ...waits,
  pair: () => {
    const command = ["/bin/sh", "-c", "printf 0; exec sleep 1000"];
    const lock = () => new HelperLock({ command, clock, guard });
    return Promise.resolve([lock(), lock()]);
  },
}));

loneLockContract("single lock", () => ({
  ...waits,
  pair: () => Promise.resolve([new SingleLock(clock), new SingleLock(clock)]),
}));

const jetstream = suite("JetStream lock, faults");

jetstream(
  "A bucket that was deleted, or that went back, is found empty or older, and is used",
  async () => {
    const rig = newRig();
    const options = { name: "js", storeFolder: rig.store("js") };
    const first = await rig.server(options);
    const bus = await rig.bus(first.address);
    const lock = await answering(new KvLock({ bus, cluster: "lost", clock }));
    let revision = 0;
    for (let n = 1; n <= 5; n++) {
      revision = await written(waits, lock, "renew", revision, recordOf(1, 1n, n));
    }
    await first.stop();
    assert.is((await look(lock)).kind, "unknown");
    assert.ok(lock.trouble !== undefined);
    rmSync(rig.store("js"), { recursive: true });
    await rig.server({ ...options, client: { port: first.port } });
    await until(bus, "connected");
    await answering(lock);
    assert.equal(await seen(waits, lock), { kind: "seen", revision: 0, record: undefined });
    assert.is((await write(lock, "renew", revision, recordOf(1, 1n, 6))).kind, "refused");
    await written(waits, lock, "acquire", 0, recordOf(1, 1n, 7));
    await clean();
  },
);

jetstream(
  "Without JetStream, without NATS, with a server that hangs: unknown, and why",
  async () => {
    const rig = newRig();
    const plain = await rig.server();
    const bus = await rig.bus(plain.address);
    const lock = new KvLock({ bus, cluster: "none", clock });
    assert.equal(await look(lock), { kind: "unknown", why: "the server has no JetStream" });
    plain.child.signal("SIGSTOP");
    const hung = await write(lock, "acquire", 0, recordOf(1, 1n));
    assert.is(hung.kind, "unknown");
    await plain.stop();
    await until(bus, "disconnected");
    const result = await look(lock);
    assert.match(result.kind === "unknown" ? result.why : "", /no NATS/);
    await lock.close();
    await clean();
  },
);

jetstream("What is no record of ours is told, not written over by mistake", async () => {
  const rig = newRig();
  const server = await rig.server({ name: "js", storeFolder: rig.store("js") });
  const bus = await rig.bus(server.address);
  const lock = await answering(new KvLock({ bus, cluster: "odd", clock }));
  await bus.request("$KV.ctdbx_odd.leader", new TextEncoder().encode("hello"), 2000);
  const result = await look(lock);
  assert.match(result.kind === "unknown" ? result.why : "", /Cannot read the lock's record/);
  assert.is((await write(lock, "acquire", 0, recordOf(1, 1n))).kind, "refused");
  await clean();
});

jetstream(
  "Three servers keep it when one dies, and it grows from one copy to three",
  limit(90_000, async () => {
    const rig = newRig();
    const trio = await startTrio(rig);
    const bus = await rig.bus(...trio.map(({ address }) => address));
    const lock = await answering(new KvLock({ bus, cluster: "kept", clock }));
    const revision = await written(waits, lock, "acquire", 0, recordOf(1, 1n));
    const info = await bus.request("$JS.API.STREAM.INFO.KV_ctdbx_kept", new Uint8Array(0), 2000);
    assert.is(JSON.parse(new TextDecoder().decode(info.payload)).config.num_replicas, 3);
    trio[0].child.signal("SIGKILL");
    await trio[0].child.ended;
    await until(bus, "connected");
    await answering(lock);
    assert.equal(await seen(waits, lock), { kind: "seen", revision, record: recordOf(1, 1n) });
    await clean();
  }),
);
jetstream.run();

/** For what is to be given up; long enough for what is to succeed under the same limit on a busy machine. */
const SHORT_MS = 2000;

const file = suite("file lock, faults");

file(
  "A file that is none of ours, and a folder that is not there, are told and left alone",
  async () => {
    const path = join(newFolder(), "odd");
    const lock = new FileLock({ path, clock });
    writeFileSync(path, "a file of somebody, longer than a record's head");
    const result = await look(lock);
    assert.match(result.kind === "unknown" ? result.why : "", /revision|record/);
    assert.is((await write(lock, "acquire", 0, recordOf(1, 1n))).kind, "unknown");
    assert.match(readFileSync(path, "utf8"), /^a file of somebody/);
    const nowhere = new FileLock({ path: `${path}/x/lock`, clock });
    assert.match(JSON.stringify(await look(nowhere)), /ENOTDIR|ENOENT|not a directory|no such/i);
    await Promise.all([lock.close(), nowhere.close()]);
    await clean();
  },
);

file("While another holds the lock, operations are unknown; then they go on", async () => {
  const path = join(newFolder(), "held");
  const lock = new FileLock({ path, clock, limitMs: SHORT_MS });
  const revision = await written(waits, lock, "acquire", 0, recordOf(1, 1n));
  const holder = new Blocker(`${path}.lock`);
  const result = await write(lock, "renew", revision, recordOf(1, 1n, 2));
  assert.is(result.kind, "unknown");
  assert.ok(lock.trouble !== undefined);
  holder.close();
  assert.equal(await seen(waits, lock), { kind: "seen", revision, record: recordOf(1, 1n) });
  await written(waits, lock, "renew", revision, recordOf(1, 1n, 3));
  assert.is(lock.trouble, undefined);
  await lock.close();
  await clean();
});
file.run();

const helper = suite("helper lock, faults");

function helperOf(script: string, limitMs = 5000, ...args: string[]): HelperLock {
  return new HelperLock({
    command: ["/bin/sh", "-c", script, "helper", ...args],
    clock,
    guard,
    limitMs,
  });
}

helper(
  "Only one holds it; the other is refused, cannot see by whom, and gets it afterwards",
  async () => {
    const held = join(newFolder(), "held");
    const [one, two] = [helperOf(HELPER, 5000, held), helperOf(HELPER, 5000, held)];
    const first = await written(waits, one, "acquire", 0, recordOf(1, 1n));
    assert.is((await write(two, "acquire", 0, recordOf(2, 2n))).kind, "refused");
    const result = await look(two);
    assert.match(result.kind === "unknown" ? result.why : "", /held elsewhere/);
    await written(waits, one, "release", first, { ...recordOf(1, 1n), holder: undefined });
    rmSync(held, { recursive: true, force: true }); // what the kill has left
    await written(waits, two, "acquire", 0, recordOf(2, 2n));
    await Promise.all([one.close(), two.close()]);
    await clean();
  },
);

helper("A helper that ends has lost it, and who watches is told", async () => {
  const pidFile = join(newFolder(), "pid");
  const lock = helperOf('echo $$ > "$1"; printf 0; exec sleep 1000', 5000, pidFile);
  const told = new Inbox<LockSeen>();
  lock.watch(told.put);
  const revision = await written(waits, lock, "acquire", 0, recordOf(1, 1n));
  process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
  const after = await told.take();
  assert.is(after.record, undefined);
  assert.ok(after.revision > revision);
  assert.is((await write(lock, "renew", after.revision, recordOf(1, 1n, 2))).kind, "refused");
  await written(waits, lock, "acquire", after.revision, recordOf(1, 2n));
  await lock.close();
  await clean();
});

helper("Gave up, said nonsense, ended, was never there, or is silent: never held", async () => {
  const folder = newFolder();
  const cases: [string, string][] = [
    ["printf 2; sleep 1000", "refused"],
    ["echo hello; sleep 1000", "refused"],
    ["exit 3", "refused"],
    ["exec sleep 1000", "unknown"],
  ];
  for (const [script, kind] of cases) {
    const lock = helperOf(
      `echo $$ > "$1"; ${script}`,
      kind === "unknown" ? SHORT_MS : 5000,
      join(folder, "p"),
    );
    assert.is((await write(lock, "acquire", 0, recordOf(1, 1n))).kind, kind, script);
    // It is gone, and cannot get the lock later.
    const pid = Number(readFileSync(join(folder, "p"), "utf8"));
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
    await lock.close();
  }
  const none = new HelperLock({ command: [join(folder, "none")], clock, guard });
  assert.is((await write(none, "acquire", 0, recordOf(1, 1n))).kind, "refused");
  const denied = join(folder, "denied");
  writeFileSync(denied, "no program");
  chmodSync(denied, 0o600);
  const dead = new HelperLock({ command: [denied], clock, guard });
  assert.is((await write(dead, "acquire", 0, recordOf(1, 1n))).kind, "refused");
  await Promise.all([none.close(), dead.close()]);
  await clean();
});
helper.run();
