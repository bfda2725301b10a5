/**
 * Streams between processes of this machine: unix sockets.
 *
 *   listen: lock PATH.lock (held for life) -> nobody answers at PATH? -> unlink -> bind under umask 077 -> mode 0600
 *
 * The lock decides who may listen: two that start at once would both find a dead socket, and the second would take
 * the first one's away. Its descriptor is the process's: a thread that dies leaves it locked. Who is sure needs none.
 *
 * Does NOT promise: a limit on how many connect; whoever accepts counts. PATH.lock is left behind on purpose.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { cPath, type Libc, LOCK_COMMAND, LOCK_TYPE, OPEN, systemError } from "./ffi.ts";
import { checkSocketPath } from "./host_checks.ts";
import { nodeError, systemCode } from "./real_errors.ts";
import { type Listening, type OpenSocket, type SocketEvents, theseSockets } from "./real_socket.ts";
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
  isSure = false,
): Promise<() => Promise<void>> {
  checkSocketPath(path);
  const what = `Cannot listen at ${path}`;
  const fd = isSure ? undefined : lockBeside(libc, what, path);
  const open = new Set<OpenSocket>();
  const onSocket = (socket: OpenSocket): SocketEvents => {
    open.add(socket);
    const told: { events?: StreamEvents } = {};
    const made = streamOf(socket, () => told.events, callerOf(libc, socket));
    told.events = onStream(made.stream);
    return {
      onBytes: made.onBytes,
      onClose: (error) => {
        open.delete(socket);
        made.onClose(error);
      },
    };
  };
  let listening: Listening;
  try {
    if (await answers(path)) throw new CtdbxError("exists", `${what}: somebody listens there`);
    removeSocket(what, path);
    listening = await bind(path, onSocket);
  } catch (error) {
    if (fd !== undefined) libc.close(fd);
    throw nodeError(what, error);
  }
  return async () => {
    for (const socket of [...open]) socket.destroy();
    const closed = listening.stop();
    removeSocket(what, path);
    await closed;
    if (fd !== undefined) libc.close(fd);
  };
}

/** Connects. Throws "not_found" when nobody listens, "denied", "limit". */
export async function dialAt(path: string, events: StreamEvents): Promise<Stream> {
  checkSocketPath(path);
  const told: { stream?: Stream } = {};
  try {
    await theseSockets().dial({ path }, (socket) => {
      const made = streamOf(socket, () => events);
      told.stream = made.stream;
      return made;
    });
    if (told.stream !== undefined) return told.stream;
    throw new Error("Cannot happen: connected, and no socket");
  } catch (error) {
    throw dialError(path, error);
  }
}

/** A listener that ends while somebody connects resets him: it is as gone as one that has ended before. */
function dialError(path: string, error: unknown): CtdbxError {
  const what = `Cannot connect to ${path}`;
  if (systemCode(error) !== "ECONNRESET") return nodeError(what, error);
  return new CtdbxError("not_found", `${what}: its listener has just gone`, { cause: error });
}

/** Who connected. Neither runtime has a word for it, but both show the descriptor of the socket. */
function callerOf(libc: Libc, { fd }: OpenSocket): Caller | undefined {
  const found = fd === undefined ? undefined : libc.peerOf(fd);
  return found === undefined ? undefined : { pid: found[0], uid: found[1] };
}

interface Made extends SocketEvents {
  readonly stream: Stream;
}

function streamOf(
  socket: OpenSocket,
  events: () => StreamEvents | undefined,
  caller?: Caller,
): Made {
  let cause: CtdbxError | undefined;
  let callOff = () => {};
  const stream: Stream = {
    ...caller === undefined ? {} : { caller },
    get waiting() {
      return socket.waiting;
    },
    write(bytes) {
      if (socket.waiting + bytes.length <= PENDING_MAX) return socket.write(bytes);
      cause ??= new CtdbxError("limit", `The stream was cut: ${PENDING_MAX} bytes are not read`);
      socket.destroy();
    },
    close: () => {
      callOff();
      // Who does not read takes nothing more; what waits for it goes with the socket.
      const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
      callOff = () => clearTimeout(timer);
      socket.end();
    },
  };
  return {
    stream,
    onBytes: (bytes) => events()?.onBytes(bytes),
    onClose: (error) => {
      callOff();
      if (error !== undefined) cause ??= nodeError("The stream was cut", error);
      if (cause === undefined) events()?.onClose();
      else events()?.onClose(cause);
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

async function bind(
  path: string,
  onSocket: (socket: OpenSocket) => SocketEvents,
): Promise<Listening> {
  // The socket is made before listen() returns: nobody else's file gets this mask.
  const mask = process.umask(0o077);
  let later: Promise<Listening>;
  try {
    later = theseSockets().listen(path, onSocket);
  } finally {
    process.umask(mask);
  }
  const listening = await later;
  chmodSync(path, 0o600);
  return listening;
}

/** Removes a socket of that name. Throws "exists" when it is something else. */
function removeSocket(what: string, path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new CtdbxError("exists", `${what}: something else has that name`);
  unlinkSync(path);
}
