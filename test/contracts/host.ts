/**
 * What every adapter of the Host port must do: its processes and its sockets.
 *
 * Does NOT promise: what only real processes show (groups, orphans); see test/live/host.test.ts.
 */

import * as assert from "uvu/assert";
import { SOCKET_PATH_MAX } from "../../transport/host_checks.ts";
import type { Host, Stream } from "../../transport/world.ts";
import { contract, Inbox, type Promises, rejectsCode, text, throwsRange } from "./port_fixture.ts";
import { utf8, type Waits } from "./port_fixture.ts";

/** What the suite runs on. */
export interface HostFixture extends Waits {
  readonly host: Host;
  readonly folder: string;
  /** Commands, by what they do. */
  readonly commands: {
    /** Prints these lines, then ends with the code. */
    prints(lines: readonly string[], code: number): readonly string[];
    /** Runs until it is killed. */
    runs(): readonly string[];
    /** Prints the value of an environment variable. */
    showsEnv(name: string): readonly string[];
  };
  /** Resolves when the process has been stopped by a signal. */
  stopped(pid: number): Promise<void>;
  /** Text of a file. */
  fileText(path: string): string;
}

/** Runs the contract. */
export function hostContract(
  name: string,
  make: () => HostFixture,
  end?: (fixture: HostFixture) => void,
): void {
  contract(`${name}: children`, CHILDREN, make, end);
  contract(`${name}: streams`, STREAMS, make, end);
}

const CHILDREN: Promises<HostFixture> = {
  "A child tells its lines and how it ended": async ({ host, commands, wait }) => {
    const lines = new Inbox<string>();
    const child = await wait(
      host.start(commands.prints(["one", "", "three \u00e4"], 3), { onLine: lines.put }),
    );
    assert.ok(Number.isInteger(child.pid) && child.pid > 1);
    assert.equal(await wait(child.ended), { code: 3, signal: undefined });
    assert.equal(await wait(lines.takeAll(3)), ["one", "", "three \u00e4"]);
    assert.is(host.alive(child.pid), false);
    child.signal("SIGKILL"); // nothing happens
  },

  "Signals end it; it is alive until then": async ({ host, commands, wait }) => {
    for (const name of ["SIGTERM", "SIGINT", "SIGKILL"] as const) {
      const child = await wait(host.start(commands.runs()));
      assert.is(host.alive(child.pid), true);
      child.signal(name);
      assert.equal(await wait(child.ended), { code: undefined, signal: name });
      assert.is(host.alive(child.pid), false);
    }
  },

  "A stopped child ends when it is continued, or killed": async (fixture) => {
    const { host, commands, wait } = fixture;
    for (const name of ["SIGCONT", "SIGKILL"] as const) {
      const child = await wait(host.start(commands.runs()));
      child.signal("SIGSTOP");
      await wait(fixture.stopped(child.pid));
      child.signal("SIGTERM");
      assert.is(host.alive(child.pid), true);
      child.signal(name);
      const { signal } = await wait(child.ended);
      assert.is(signal, name === "SIGCONT" ? "SIGTERM" : "SIGKILL");
    }
  },

  "It gets the environment that it is given, or ours": async ({ host, commands, wait }) => {
    const lines = new Inbox<string>();
    const env = { PATH: "/usr/bin:/bin", CTDBX_TEST: "a b=c" };
    const child = await wait(
      host.start(commands.showsEnv("CTDBX_TEST"), { env, onLine: lines.put }),
    );
    assert.is(await wait(lines.take()), "a b=c");
    await wait(child.ended);
  },

  "Its output is added to a file": async ({ host, commands, folder, fileText, wait }) => {
    const logPath = `${folder}/child.log`;
    for (const word of ["first", "second"]) {
      const child = await wait(host.start(commands.prints([word], 0), { logPath }));
      await wait(child.ended);
    }
    assert.is(fileText(logPath), "first\nsecond\n");
  },

  "What cannot be started says why": async (fixture) => {
    const { host, folder } = fixture;
    await rejectsCode(fixture, host.start([`${folder}/no-such-program`]), "not_found");
    await rejectsCode(fixture, host.start([folder]), "denied");
  },

  "This process lives; ids that are none are refused": ({ host }) => {
    assert.is(host.alive(host.pid), true);
    assert.is(host.alive(2 ** 22 + 1), false, "above the largest id there is");
    for (const pid of [0, -1, 1.5, NaN]) throwsRange(() => host.alive(pid));
    assert.ok(host.name.length > 0);
  },
};

/** A stream and what came over it. */
interface End {
  readonly stream: Stream;
  readonly pieces: Inbox<Uint8Array>;
  readonly closed: Inbox<unknown>;
}

function listenFor(fixture: HostFixture, path: string, ends: Inbox<End>) {
  return fixture.wait(fixture.host.listen(path, (stream) => {
    const end: End = { stream, pieces: new Inbox(), closed: new Inbox() };
    ends.put(end);
    return { onBytes: end.pieces.put, onClose: end.closed.put };
  }));
}

async function dial(fixture: HostFixture, path: string): Promise<End> {
  const [pieces, closed] = [new Inbox<Uint8Array>(), new Inbox<unknown>()];
  const events = { onBytes: pieces.put, onClose: closed.put };
  return { stream: await fixture.wait(fixture.host.dial(path, events)), pieces, closed };
}

/** So many bytes, whatever pieces they come in. */
async function bytesOf(fixture: HostFixture, end: End, count: number): Promise<Uint8Array> {
  const all = new Uint8Array(count);
  for (let size = 0; size < count;) {
    const piece = await fixture.wait(end.pieces.take());
    // A Buffer's slice would be no copy.
    assert.is(piece.constructor, Uint8Array);
    assert.ok(size + piece.length <= count, "more came than was sent");
    all.set(piece, size);
    size += piece.length;
  }
  return all;
}

const STREAMS: Promises<HostFixture> = {
  "Bytes go both ways, in order, also many, and buffers can be used again": async (fixture) => {
    const ends = new Inbox<End>();
    const path = `${fixture.folder}/both`;
    const stop = await listenFor(fixture, path, ends);
    const near = await dial(fixture, path);
    const far = await fixture.wait(ends.take());
    near.stream.write(utf8("question"));
    assert.is(text(await bytesOf(fixture, far, 8)), "question");
    const buffer = new Uint8Array(100_000);
    for (let n = 1; n <= 10; n++) far.stream.write(buffer.fill(n));
    buffer.fill(99);
    const got = await bytesOf(fixture, near, 1_000_000);
    assert.ok(got.every((byte, at) => byte === Math.floor(at / 100_000) + 1));
    near.stream.close();
    assert.is(await fixture.wait(far.closed.take()), undefined);
    assert.is(await fixture.wait(near.closed.take()), undefined);
    near.stream.write(utf8("late")); // nothing happens
    assert.is(far.closed.size + near.closed.size, 0, "closed is told once");
    await fixture.wait(stop());
  },

  "What was written before close() arrives": async (fixture) => {
    const ends = new Inbox<End>();
    const path = `${fixture.folder}/last`;
    const stop = await listenFor(fixture, path, ends);
    const near = await dial(fixture, path);
    near.stream.write(new Uint8Array(300_000).fill(8));
    near.stream.close();
    const far = await fixture.wait(ends.take());
    const got = await bytesOf(fixture, far, 300_000);
    assert.ok(got.every((byte) => byte === 8));
    await fixture.wait(far.closed.take());
    await fixture.wait(stop());
  },

  "One may listen; when it stops its streams are cut and another may": async (fixture) => {
    const ends = new Inbox<End>();
    const path = `${fixture.folder}/one`;
    const stop = await listenFor(fixture, path, ends);
    await rejectsCode(fixture, listenFor(fixture, path, ends), "exists");
    const near = await dial(fixture, path);
    await fixture.wait(stop());
    await fixture.wait(near.closed.take());
    await rejectsCode(fixture, dial(fixture, path), "not_found");
    const stopAgain = await listenFor(fixture, path, ends);
    (await dial(fixture, path)).stream.close();
    await fixture.wait(stopAgain());
  },

  "Who dials while the listener ends gets a stream that is cut, or nobody is there": async (
    fixture,
  ) => {
    const ends = new Inbox<End>();
    for (let times = 0; times < 5; times++) {
      const path = `${fixture.folder}/ending${times}`;
      const stop = await listenFor(fixture, path, ends);
      const dialled = dial(fixture, path);
      const stopped = stop();
      const end = await dialled.catch((error: { code?: string }) => error.code);
      if (typeof end === "object") await fixture.wait(end.closed.take());
      else assert.is(end, "not_found");
      await fixture.wait(stopped);
    }
  },

  "Of several that want to listen at once one does": async (fixture) => {
    const path = `${fixture.folder}/at-once`;
    const tries = [1, 2, 3, 4].map(() => listenFor(fixture, path, new Inbox()));
    const outcomes = await fixture.wait(Promise.allSettled(tries));
    const won = outcomes.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    assert.is(won.length, 1);
    await fixture.wait(won[0]?.() ?? Promise.resolve());
  },

  "What is not read is counted as waiting, then taken": async (fixture) => {
    const ends = new Inbox<End>();
    const path = `${fixture.folder}/waiting`;
    const stop = await listenFor(fixture, path, ends);
    const near = await dial(fixture, path);
    const far = await fixture.wait(ends.take());
    assert.is(near.stream.waiting, 0);
    near.stream.write(new Uint8Array(8_000_000));
    // More than any socket buffer takes in one turn.
    assert.ok(near.stream.waiting > 1_000_000, `${near.stream.waiting}`);
    await bytesOf(fixture, far, 8_000_000);
    near.stream.write(utf8("x"));
    await bytesOf(fixture, far, 1);
    assert.is(near.stream.waiting, 0);
    near.stream.close();
    await fixture.wait(stop());
  },

  "Nobody there is not_found; a path too long is a limit": async (fixture) => {
    const { folder } = fixture;
    await rejectsCode(fixture, dial(fixture, `${folder}/nobody`), "not_found");
    const long = `${folder}/${"x".repeat(SOCKET_PATH_MAX)}`;
    await rejectsCode(fixture, dial(fixture, long), "limit");
    await rejectsCode(fixture, listenFor(fixture, long, new Inbox()), "limit");
  },
};
