/** Sockets: those of the runtime and those of node:net keep the same promises. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemCode } from "../../transport/real_errors.ts";
import {
  type Listening,
  NODE,
  type OpenSocket,
  type Sockets,
  theseSockets,
} from "../../transport/real_socket.ts";
import { Inbox } from "../contracts/port_fixture.ts";

/** One end, and what came over it. */
interface End {
  readonly socket: OpenSocket;
  readonly pieces: Inbox<Uint8Array>;
  readonly closed: Inbox<Error | undefined>;
}

interface Pair {
  readonly near: End;
  readonly far: End;
  readonly listening: Listening;
}

const test = suite<{ folder: string }>("sockets");
test.before((context) => void (context.folder = mkdtempSync(join(tmpdir(), "ctdbx-socket-"))));
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function endOf(ends: Inbox<End>): (socket: OpenSocket) => {
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onClose: (error: Error | undefined) => void;
} {
  return (socket) => {
    const end: End = { socket, pieces: new Inbox(), closed: new Inbox() };
    ends.put(end);
    return { onBytes: end.pieces.put, onClose: end.closed.put };
  };
}

async function pair(sockets: Sockets, path: string): Promise<Pair> {
  const [far, near] = [new Inbox<End>(), new Inbox<End>()];
  const listening = await sockets.listen(path, endOf(far));
  await sockets.dial({ path }, endOf(near));
  return { near: await near.take(), far: await far.take(), listening };
}

async function bytesOf({ pieces }: End, count: number): Promise<Uint8Array> {
  const all = new Uint8Array(count);
  for (let size = 0; size < count;) {
    const piece = await pieces.take();
    assert.is(piece.constructor, Uint8Array);
    all.set(piece, size);
    size += piece.length;
  }
  return all;
}

/** The n-th byte of a long row that does not repeat soon. */
function byteAt(n: number): number {
  return (n * 31 + (n >>> 8) * 7) & 0xff;
}

for (
  const [name, sockets] of [["of the runtime", theseSockets()], ["of node:net", NODE]] as const
) {
  const prefix = name.replaceAll(/[^a-z]/g, "_");

  test(`${name}: small and large pieces come whole and in order, more than the system takes`, async ({ folder }) => {
    const { near, far, listening } = await pair(sockets, join(folder, `${prefix}-order`));
    const sizes = [1, 5, 0, 200, 65_535, 65_536, 65_537, 3, 700_000, 2, 90];
    const buffer = new Uint8Array(700_000);
    let total = 0;
    for (let round = 0; round < 5; round++) {
      for (const size of sizes) {
        for (let at = 0; at < size; at++) buffer[at] = byteAt(total + at);
        near.socket.write(buffer.subarray(0, size));
        buffer.fill(0);
        total += size;
      }
    }
    assert.ok(near.socket.waiting > 1_000_000 && near.socket.waiting <= total);
    const got = await bytesOf(far, total);
    assert.is(got.findIndex((byte, at) => byte !== byteAt(at)), -1);
    far.socket.write(Uint8Array.of(7));
    assert.equal(await bytesOf(near, 1), Uint8Array.of(7));
    assert.is(near.socket.waiting, 0);
    near.socket.destroy();
    await far.closed.take();
    await listening.stop();
  });

  test(`${name}: what is written while the reader takes keeps its place`, async ({ folder }) => {
    const path = join(folder, `${prefix}-place`);
    const [pieces, nears] = [new Inbox<Uint8Array>(), new Inbox<End>()];
    let [total, left] = [0, 300];
    const made: { near?: OpenSocket } = {};
    const write = (size: number): void => {
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; at++) bytes[at] = byteAt(total + at);
      total += size;
      made.near?.write(bytes);
    };
    const listening = await sockets.listen(path, () => ({
      onBytes: (bytes) => {
        // There is room in the system now, and more waits in the socket.
        if (left-- > 0) write(100);
        pieces.put(bytes);
      },
      onClose: () => {},
    }));
    await sockets.dial({ path }, endOf(nears));
    const near = (await nears.take()).socket;
    made.near = near;
    write(3_000_000);
    for (let size = 0; size < total;) {
      const piece = await pieces.take();
      assert.is(piece.findIndex((byte, at) => byte !== byteAt(size + at)), -1);
      size += piece.length;
    }
    assert.ok(total > 3_000_000);
    near.destroy();
    await listening.stop();
  });

  test(`${name}: end() lets go what waits, and nothing that comes later`, async ({ folder }) => {
    const { near, far, listening } = await pair(sockets, join(folder, `${prefix}-end`));
    near.socket.write(new Uint8Array(2_000_000).fill(9));
    near.socket.end();
    near.socket.write(Uint8Array.of(1));
    const got = await bytesOf(far, 2_000_000);
    assert.ok(got.every((byte) => byte === 9));
    assert.is(await far.closed.take(), undefined);
    assert.is(await near.closed.take(), undefined);
    assert.is(far.pieces.size, 0, "a byte after the end");
    near.socket.write(Uint8Array.of(1));
    near.socket.end();
    near.socket.destroy();
    assert.is(near.socket.waiting, 0);
    assert.is(near.closed.size + far.closed.size, 0, "its end is told once");
    await listening.stop();
  });

  test(`${name}: destroy() ends both ends though much waits`, async ({ folder }) => {
    const { near, far, listening } = await pair(sockets, join(folder, `${prefix}-destroy`));
    near.socket.write(new Uint8Array(4_000_000));
    near.socket.destroy();
    await near.closed.take();
    await far.closed.take();
    assert.is(near.closed.size + far.closed.size, 0);
    await listening.stop();
  });

  test(`${name}: where nobody is the system's word is told; a descriptor while it stands`, async ({ folder }) => {
    const ends = new Inbox<End>();
    const codeOf = (place: Parameters<Sockets["dial"]>[0]) =>
      sockets.dial(place, endOf(ends)).then(() => "connected", systemCode);
    assert.is(await codeOf({ path: join(folder, "nobody") }), "ENOENT");
    // Nobody listens on port 1 of this machine.
    assert.is(await codeOf({ host: "127.0.0.1", port: 1 }), "ECONNREFUSED");
    assert.is(ends.size, 0);
    const { near, listening } = await pair(sockets, join(folder, `${prefix}-fd`));
    assert.ok((near.socket.fd ?? -1) > 2);
    near.socket.end();
    await near.closed.take();
    assert.is(near.socket.fd, undefined);
    await listening.stop();
    const again = sockets.dial({ path: join(folder, `${prefix}-fd`) }, endOf(ends));
    assert.ok(["ENOENT", "ECONNREFUSED"].includes(await again.then(() => "", systemCode) ?? ""));
  });
}

test.run();
