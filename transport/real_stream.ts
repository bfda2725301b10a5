/**
 * Streams between processes of this machine: unix sockets.
 *
 *   listen: lock PATH.lock (held for life) -> nobody answers at PATH? -> unlink -> bind under umask 077 -> mode 0600
 *
 * The lock decides who may listen: two that start at once would both find a dead socket, and the second would take
 * the first one's away.
 *
 * Does NOT promise: a limit on how many connect; whoever accepts counts. PATH.lock is left behind on purpose.
 */
import { Buffer } from "node:buffer";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { cPath, type Libc, LOCK_COMMAND, LOCK_TYPE, OPEN, systemError } from "./ffi.ts";
import { checkSocketPath } from "./host_checks.ts";
import { nodeError, systemCode } from "./real_errors.ts";
import { CtdbxError } from "./wire/errors.ts";
import type { Caller, Stream, StreamEvents } from "./world.ts";

/** After close() what is written may still be read for so long, ms. */
const CLOSE_MS = 2000;
/** Bytes written that the other side has not read yet; beyond, the stream is cut. 64 MiB. */
export const PENDING_MAX = 64 * 1024 * 1024;

/** Listens at a path; answers how to end that, which also cuts what was accepted. Throws "exists", "limit". */
export async function listenAt(
  libc: Libc,
  path: string,
  onStream: (stream: Stream) => StreamEvents,
): Promise<() => Promise<void>> {
  checkSocketPath(path);
  const what = `Cannot listen at ${path}`;
  const fd = lockBeside(libc, what, path);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    const told: { events?: StreamEvents } = {};
    const stream = streamOf(socket, () => told.events, peerOf(libc, socket));
    told.events = onStream(stream);
  });
  try {
    if (await answers(path)) throw new CtdbxError("exists", `${what}: somebody listens there`);
    removeSocket(what, path);
    await bind(server, path);
  } catch (error) {
    libc.close(fd);
    throw nodeError(what, error);
  }
  return async () => {
    for (const socket of open) socket.destroy();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    removeSocket(what, path);
    await closed;
    libc.close(fd);
  };
}

/** Connects. Throws "not_found" when nobody listens, "denied", "limit". */
export async function dialAt(path: string, events: StreamEvents): Promise<Stream> {
  checkSocketPath(path);
  return await new Promise((resolve, reject) => {
    const socket = connect(path);
    const refuse = (error: unknown) => reject(dialError(path, error));
    socket.once("error", refuse);
    socket.once("connect", () => {
      socket.off("error", refuse);
      resolve(streamOf(socket, () => events));
    });
  });
}

/** A listener that ends while somebody connects resets him: it is as gone as one that has ended before. */
function dialError(path: string, error: unknown): CtdbxError {
  const what = `Cannot connect to ${path}`;
  if (systemCode(error) !== "ECONNRESET") return nodeError(what, error);
  return new CtdbxError("not_found", `${what}: its listener has just gone`, { cause: error });
}

/** Who connected. Neither runtime has a word for it, but both show the descriptor of the socket. */
function peerOf(libc: Libc, socket: Socket): Caller | undefined {
  const fd = (socket as { readonly _handle?: { readonly fd?: unknown } })._handle?.fd;
  const found = typeof fd === "number" && fd >= 0 ? libc.peerOf(fd) : undefined;
  return found === undefined ? undefined : { pid: found[0], uid: found[1] };
}

function streamOf(
  socket: Socket,
  events: () => StreamEvents | undefined,
  caller?: Caller,
): Stream {
  let cause: CtdbxError | undefined;
  socket.on("data", (bytes: Buffer) => events()?.onBytes(bytes));
  socket.on("error", (error) => cause ??= nodeError("The stream was cut", error));
  socket.on("close", () => cause === undefined ? events()?.onClose() : events()?.onClose(cause));
  return {
    ...caller === undefined ? {} : { caller },
    get waiting() {
      return socket.writableLength;
    },
    write(bytes) {
      if (socket.destroyed || socket.writableEnded) return;
      if (socket.writableLength + bytes.length > PENDING_MAX) {
        cause ??= new CtdbxError("limit", `The stream was cut: ${PENDING_MAX} bytes are not read`);
        socket.destroy();
        return;
      }
      // A copy: the socket keeps what it cannot write at once, and the caller may use its buffer again.
      socket.write(Buffer.from(bytes));
    },
    close: () => {
      socket.end();
      // Who does not read takes nothing more; what waits for it goes with the socket.
      const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
      socket.once("close", () => clearTimeout(timer));
    },
  };
}

/** Takes the lock that says who listens; returns its descriptor, which holds it until it is closed. */
function lockBeside(libc: Libc, what: string, path: string): number {
  const lock = `${path}.lock`;
  const fd = libc.open(cPath(lock), OPEN.RDWR | OPEN.CREAT | OPEN.CLOEXEC, 0o600);
  if (fd < 0) throw systemError(`${what}: its lock ${lock}`, libc.errno());
  if (libc.flock(fd, LOCK_COMMAND.OFD_SETLK, LOCK_TYPE.WRITE, 0, 1) === 0) return fd;
  libc.close(fd);
  throw new CtdbxError("exists", `${what}: somebody listens there`);
}

/** Does anybody accept there? */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      chmodSync(path, 0o600);
      resolve();
    });
    // The socket is made before listen() returns: nobody else's file gets this mask.
    const mask = process.umask(0o077);
    try {
      server.listen(path);
    } finally {
      process.umask(mask);
    }
  });
}

/** Removes a socket of that name. Throws "exists" when it is something else. */
function removeSocket(what: string, path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new CtdbxError("exists", `${what}: something else has that name`);
  unlinkSync(path);
}
