/**
 * The traps of mapping a file into a WebAssembly memory and of locking it, each shut.
 *
 *   this process (image) <---- file ----> trap_child.ts or a Python with plain fcntl locks
 *
 * Does NOT promise: that a shortened file is survived; the tests say which runtime dies of it.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync } from "node:fs";
import { mkdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MEMORY_BYTES, threadMemory } from "../../assembly/host/memory.ts";
import { openLibc } from "../../transport/ffi.ts";
import { MAPPED_MAX } from "../../transport/image.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { throwsCode } from "../contracts/image_fixture.ts";
import { skip } from "../limit.ts";

const test = suite("traps");
const folder = mkdtempSync(join(tmpdir(), "ctdbx-traps-"));
const store = new RealImageStore();
const isBun = process.versions["bun"] !== undefined;
const { memory, bytes, regions } = threadMemory();
test.after(() => rmSync(folder, { recursive: true }));

/** Mappings of this process within the Memory, in order. */
function mapsOfMemory(): { start: number; end: number; path: string }[] {
  const base = openLibc().addressOf(bytes);
  const maps = readFileSync("/proc/self/maps", "utf8").trimEnd().split("\n").map((line) => {
    const [range = "", , , , , path = ""] = line.split(/\s+/);
    const [start = 0, end = 0] = range.split("-").map((hex) => Number.parseInt(hex, 16));
    return { start: start - base, end: end - base, path };
  });
  return maps.filter(({ start, end }) => end > 0 && start < MEMORY_BYTES);
}

function childArgs(part: string, path: string, ...rest: string[]): string[] {
  const script = fileURLToPath(new URL("./trap_child.ts", import.meta.url));
  return [...(isBun ? [] : ["run", "-A", "--no-check"]), script, part, path, ...rest];
}

/** The outcome of a child that may crash; Bun shall not report that to its makers. */
function runChild(part: string, path: string): { stdout: string; signal: string | null } {
  const env = { ...process.env, BUN_ENABLE_CRASH_REPORTING: "0" };
  const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
  return spawnSync(process.execPath, childArgs(part, path), { encoding: "utf8", env, stdio });
}

/** Asks a child a line and reads the line it answers. */
class Peer {
  readonly #child: ChildProcess;
  #text = "";
  #wake = () => {};

  constructor(command: string, args: string[]) {
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout?.on("data", (chunk: Uint8Array) => {
      this.#text += new TextDecoder().decode(chunk);
      this.#wake();
    });
    this.#child.on("exit", () => {
      this.#text += "exit\n";
      this.#wake();
    });
  }

  ask(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return this.answer();
  }

  async answer(): Promise<string> {
    while (!this.#text.includes("\n")) await new Promise<void>((wake) => this.#wake = wake);
    const [line = "", ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return line;
  }

  /** Kills it for good, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.pid !== undefined) process.kill(this.#child.pid, "SIGKILL");
    while (await this.answer() !== "exit");
  }
}

/** A process with plain POSIX locks, as libtdb takes them. */
const PYTHON = `
import fcntl, sys
f = open(sys.argv[1], "r+b")
kinds = {"read": fcntl.LOCK_SH, "write": fcntl.LOCK_EX, "unlock": fcntl.LOCK_UN}
for line in sys.stdin:
    kind, start, length = line.split()
    try:
        wait = 0 if kind == "unlock" else fcntl.LOCK_NB
        fcntl.lockf(f, kinds[kind] | wait, int(length), int(start))
        print("ok", flush=True)
    except OSError:
        print("busy", flush=True)
`;

/** Debian's own where there is one: wrappers in PATH take a second to start. */
function python(path: string): Peer {
  const own = "/usr/bin/python3";
  const command = existsSync(own) ? own : "python3";
  if (command !== own && spawnSync(command, ["-c", ""]).status !== 0) skip("no python3");
  return new Peer(command, ["-c", PYTHON, path]);
}

/** A fresh file of 64 KiB. */
function file(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, new Uint8Array(65536));
  return path;
}

test("The Memory of a thread is one, and cannot grow", () => {
  assert.is(threadMemory().memory, memory);
  assert.throws(() => memory.grow(1));
  assert.is(memory.buffer, bytes.buffer);
  assert.is(bytes.length, MEMORY_BYTES);
});

test("After closing no file is left in the Memory, and no hole", () => {
  const path = file("holes");
  const images = Array.from({ length: 8 }, () => store.open(path));
  const addresses = images.map((image) => image.address);
  images[0]?.extend(3 * 1024 * 1024);
  images[3]?.truncate(5000);
  assert.ok(mapsOfMemory().some((map) => map.path === path));
  for (const image of images) image.close();
  const maps = mapsOfMemory();
  assert.not.ok(maps.some((map) => map.path === path));
  let reached = 0;
  for (const map of maps) {
    assert.ok(map.start <= reached, `hole at ${reached}`);
    reached = map.end;
  }
  assert.ok(reached >= MEMORY_BYTES);
  for (const address of addresses) assert.is(bytes[address + 4096], 0);
});

test("A region that is used again does not write into the file it held", () => {
  const path = file("recycled");
  const image = store.open(path);
  bytes.fill(0x11, image.address, image.address + 65536);
  const { address } = image;
  image.close();
  assert.ok(regions.takeAt(address, 65536));
  bytes.fill(0x22, address, address + 65536);
  assert.ok(readFileSync(path).every((byte) => byte === 0x11));
  bytes.fill(0, address, address + 65536);
  regions.give(address, 65536);
});

test("A file of exactly 3.5 GiB fits, with nothing else beside it", () => {
  const path = file("largest");
  const before = regions.free();
  const image = store.open(path);
  image.truncate(MAPPED_MAX);
  bytes[image.address + MAPPED_MAX - 1] = 42;
  assert.is(image.mapped, MAPPED_MAX);
  throwsCode(() => store.open(file("one-more")), "limit", /3\.5 GiB/);
  image.truncate(65536);
  store.open(file("again")).close();
  image.close();
  assert.equal(regions.free(), before, "every page came back");
});

test("A file cut underneath: Bun's WebAssembly gets an error, Deno dies of SIGBUS", () => {
  const { stdout, signal } = runChild("wasm-past-end", file("cut-wasm"));
  if (isBun) assert.is(stdout, "before 0\ncaught true\nrefreshed 4096 0\n");
  else assert.is(stdout, "before 0\n");
  assert.is(signal, isBun ? null : "SIGBUS");
});

test("A file cut underneath and touched by JavaScript: both runtimes die of SIGBUS", () => {
  const { stdout, signal } = runChild("js-past-end", file("cut-js"));
  assert.is(stdout, "before 0\n");
  assert.is(signal, "SIGBUS");
});

test("A file cut underneath is safe after refresh()", () => {
  const path = file("cut-refresh");
  const image = store.open(path);
  truncateSync(path, 4096);
  assert.is(image.mapped, 65536);
  assert.is(image.refresh(), 4096);
  assert.is(bytes[image.address + 8192], 0);
  image.close();
});

test("Our locks and a stranger's POSIX locks conflict, both ways", async () => {
  const path = file("stranger");
  const image = store.open(path);
  const peer = python(path);
  assert.is(await peer.ask("write 168 4"), "ok");
  assert.is(image.tryLock({ start: 170, length: 1 }, "read"), false);
  assert.is(image.tryLock({ start: 172, length: 1 }, "write"), true);
  assert.is(await peer.ask("read 172 1"), "busy");
  image.unlock({ start: 172, length: 1 });
  assert.is(await peer.ask("read 172 1"), "ok");
  assert.is(image.tryLock({ start: 172, length: 1 }, "read"), true);
  assert.is(image.tryLock({ start: 172, length: 1 }, "write"), false);
  const waiting = image.lock({ start: 168, length: 4 }, "write", 20_000);
  assert.is(await peer.ask("read 0 1"), "ok", "the event loop turns while the lock is awaited");
  assert.is(await peer.ask("unlock 168 4"), "ok");
  await waiting;
  assert.is(await peer.ask("read 168 1"), "busy");
  await peer.kill();
  image.close();
});

test("Closing another descriptor of the file drops none of our locks", async () => {
  const path = file("descriptor");
  const image = store.open(path);
  assert.is(image.tryLock({ start: 8, length: 4 }, "write"), true);
  closeSync(openSync(path, "r+"));
  store.open(path).close();
  const peer = python(path);
  assert.is(await peer.ask("write 8 1"), "busy");
  image.close();
  assert.is(await peer.ask("write 8 1"), "ok");
  await peer.kill();
});

test("A stranger that is killed while we wait makes way", async () => {
  const path = file("killed");
  const image = store.open(path);
  const peer = python(path);
  assert.is(await peer.ask("write 0 0"), "ok");
  const waiting = image.lock({ start: 5, length: 1 }, "write", 20_000);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  await peer.kill();
  await waiting;
  image.close();
});

test("A wait that timed out has left the kernel: a later release gives us nothing", async () => {
  const path = file("late");
  const image = store.open(path);
  const [holder, witness] = [python(path), python(path)];
  assert.is(await holder.ask("write 0 1"), "ok");
  for (let round = 0; round < 10; round++) {
    const outcome = await image.lock({ start: 0, length: 1 }, "write", 15)
      .catch((error: { code: string }) => error.code);
    assert.is(outcome, "timeout");
  }
  assert.is(await holder.ask("unlock 0 1"), "ok");
  assert.is(await witness.ask("write 0 1"), "ok");
  await holder.kill();
  await witness.kill();
  image.close();
});

test("A holder of a mutex that is killed is found out, once", async () => {
  const path = file("owner");
  const image = store.open(path);
  for (const offset of [256, 296]) image.initMutex(offset);
  const peer = new Peer(process.execPath, childArgs("hold-mutex", path, "256"));
  assert.is(await peer.answer(), "taken");
  assert.is(image.tryMutex(256), "busy");
  assert.is(image.tryMutex(296), "taken");
  const waiting = image.mutex(256, 20_000);
  await peer.kill();
  assert.is(await waiting, "owner_died");
  image.unlockMutex(256);
  assert.is(image.tryMutex(256), "taken", "consistent again");
  image.close();
});

test("A full disk refuses to extend and leaves the file as it was", () => {
  const mount = join(folder, "small");
  mkdirSync(mount);
  const made = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
  if (made.status !== 0) skip("cannot mount a tmpfs: not root");
  try {
    const image = store.open(join(mount, "file"), { create: true });
    image.extend(600_000);
    bytes[image.address + 599_999] = 9;
    throwsCode(() => image.extend(3_000_000), "no_space");
    assert.is(image.size(), 600_000);
    assert.is(image.mapped, 600_000);
    assert.is(bytes[image.address + 599_999], 9);
    image.extend(800_000);
    bytes.fill(1, image.address + 600_000, image.address + 800_000);
    image.sync(0, 800_000);
    image.close();
  } finally {
    spawnSync("umount", [mount]);
  }
});

test("Descriptors are not inherited by programs that we start", () => {
  const path = file("cloexec");
  const image = store.open(path);
  const open = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false; // the descriptor that read the folder
    }
  });
  assert.is(open.length, 1);
  const flags = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${open[0]}`, "utf8"))?.[1];
  assert.is(Number.parseInt(flags ?? "0", 8) & 0o2000000, 0o2000000);
  image.close();
});

test("What is no regular file is refused, and a FIFO does not hang", () => {
  const path = join(folder, "fifo");
  assert.is(spawnSync("mkfifo", [path]).status, 0);
  throwsCode(() => store.open(path), "unsupported");
  throwsCode(() => store.open(folder, { readOnly: true }), "unsupported");
  assert.throws(() => store.open("a\0b"), (error: unknown) => error instanceof TypeError);
});

test.run();
