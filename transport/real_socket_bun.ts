/**
 * Sockets of Bun, without node:net.
 *
 *   write ─▶ the system takes it ─▶ done        takes a part ─▶ a queue here ─▶ drain ─▶ the system
 *
 * Does NOT promise: anything on another runtime; there are none then.
 */
import type { Listening, OpenSocket, Place, SocketEvents, Sockets } from "./real_socket.ts";

/** What waits is handed over in pieces of this size, bytes, many writes in one. */
const PIECE = 64 * 1024;

/** As much of Bun's socket as is used. */
interface BunSocket {
  data: Link | undefined;
  readonly fd: number;
  /** How many bytes were taken; -1: it is over. */
  write(bytes: Uint8Array): number;
  setNoDelay(isOn: boolean): void;
  end(): void;
  terminate(): void;
}

interface BunHandlers {
  readonly binaryType: "uint8array";
  open(socket: BunSocket): void;
  data(socket: BunSocket, bytes: Uint8Array): void;
  drain(socket: BunSocket): void;
  error(socket: BunSocket, error: Error): void;
  close(socket: BunSocket, error?: Error): void;
}

interface BunNet {
  connect(
    options:
      & ({ readonly unix: string } | { readonly hostname: string; readonly port: number })
      & { readonly socket: BunHandlers },
  ): Promise<BunSocket>;
  listen(options: { readonly unix: string; readonly socket: BunHandlers }): {
    stop(isHard?: boolean): void;
  };
}

/** Those of Bun; undefined: it is another runtime. */
export function bunSockets(): Sockets | undefined {
  const bun = (globalThis as { readonly Bun?: BunNet }).Bun;
  if (bun === undefined) return undefined;
  return {
    dial: (place, onSocket) => dial(bun, place, onSocket),
    listen: (path, onSocket) => listen(bun, path, onSocket),
  };
}

/** Called when a socket stands; answers who follows it. */
type OnSocket = (socket: OpenSocket) => SocketEvents;

async function dial(bun: BunNet, place: Place, onSocket: OnSocket): Promise<void> {
  const socket = handlers((link) => {
    link.setNoDelay("host" in place);
    return onSocket(link);
  });
  if ("path" in place) await bun.connect({ unix: place.path, socket });
  else await bun.connect({ hostname: place.host, port: place.port, socket });
}

function listen(bun: BunNet, path: string, onSocket: OnSocket): Promise<Listening> {
  const listener = bun.listen({ unix: path, socket: handlers(onSocket) });
  return Promise.resolve({
    stop: () => {
      listener.stop();
      return Promise.resolve();
    },
  });
}

function handlers(onOpen: (link: Link) => SocketEvents): BunHandlers {
  return {
    binaryType: "uint8array",
    open: (socket) =>
      guarded(() => {
        const link = new Link(socket);
        socket.data = link;
        link.events = onOpen(link);
      }),
    data: (socket, bytes) => guarded(() => socket.data?.events?.onBytes(bytes)),
    drain: (socket) => socket.data?.drain(),
    error: (socket, error) => socket.data?.fault(error),
    close: (socket, error) => guarded(() => socket.data?.over(error)),
  };
}

/** What a handler throws Bun would take for an error of the socket: it is nobody's, and ends the program. */
function guarded(work: () => void): void {
  try {
    work();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** One socket. */
class Link implements OpenSocket {
  events: SocketEvents | undefined;
  readonly #socket: BunSocket;
  /** What the system has not taken, in order; behind it what is put together in one piece. */
  #queue: Uint8Array[] = [];
  #tail: Uint8Array | undefined;
  #tailSize = 0;
  #waiting = 0;
  #isEnding = false;
  #isOver = false;
  #cause: Error | undefined;

  constructor(socket: BunSocket) {
    this.#socket = socket;
  }

  get fd(): number | undefined {
    const { fd } = this.#socket;
    return this.#isOver || fd < 0 ? undefined : fd;
  }

  get waiting(): number {
    return this.#waiting;
  }

  setNoDelay(isOn: boolean): void {
    if (isOn) this.#socket.setNoDelay(true);
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isEnding || bytes.length === 0) return;
    const taken = this.#waiting > 0 ? 0 : Math.max(0, this.#socket.write(bytes));
    if (taken < bytes.length) this.#keep(taken === 0 ? bytes : bytes.subarray(taken));
  }

  end(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    if (this.#waiting === 0) this.#socket.end();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#forget();
    this.#socket.terminate();
  }

  /** The system takes more. */
  drain(): void {
    for (let piece = this.#piece(); piece !== undefined; piece = this.#piece()) {
      const taken = Math.max(0, this.#socket.write(piece));
      this.#waiting -= taken;
      if (taken === piece.length) continue;
      this.#queue.unshift(piece.subarray(taken));
      return;
    }
    if (this.#isEnding && !this.#isOver) this.#socket.end();
  }

  fault(error: Error): void {
    this.#cause ??= error;
  }

  over(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#forget();
    this.events?.onClose(this.#cause ?? error);
  }

  #keep(bytes: Uint8Array): void {
    this.#waiting += bytes.length;
    if (this.#tailSize + bytes.length > PIECE) this.#endTail();
    if (bytes.length > PIECE) return void this.#queue.push(bytes.slice());
    this.#tail ??= new Uint8Array(PIECE);
    this.#tail.set(bytes, this.#tailSize);
    this.#tailSize += bytes.length;
  }

  #endTail(): void {
    if (this.#tail !== undefined) this.#queue.push(this.#tail.subarray(0, this.#tailSize));
    this.#tail = undefined;
    this.#tailSize = 0;
  }

  /** The first of what waits, taken out of the queue. */
  #piece(): Uint8Array | undefined {
    if (this.#queue.length === 0) this.#endTail();
    return this.#queue.shift();
  }

  #forget(): void {
    this.#queue = [];
    this.#tail = undefined;
    this.#tailSize = 0;
    this.#waiting = 0;
  }
}
