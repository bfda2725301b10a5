/**
 * A connected socket, as both runtimes have it: bytes in, bytes out, no streams in between.
 *
 *   Bun    its own sockets (real_socket_bun.ts): a write goes into the system at once, what comes is handed on at once
 *   Deno   node:net
 *
 * On Bun node:net is a stream of streams over the same sockets; it costs more than the system does.
 *
 * Does NOT promise: an end to a connect over TCP that was given up before anybody answered: it is dropped when the
 * system gives it up, or an answer comes.
 */
import { connect, createServer, type Socket } from "node:net";
import { plainBytes } from "./plain_bytes.ts";
import { bunSockets } from "./real_socket_bun.ts";

/** Where to connect. */
export type Place =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

/** What a socket tells. */
export interface SocketEvents {
  /** Good afterwards, too, and no Buffer. */
  onBytes(bytes: Uint8Array): void;
  /** It is over, for this reason; undefined: one of both ends has ended it. Called once. */
  onClose(error: Error | undefined): void;
}

/** A socket that is connected, or was. */
export interface OpenSocket {
  /** Its descriptor; undefined: not known. */
  readonly fd: number | undefined;
  /** Bytes that the system has not taken yet. */
  readonly waiting: number;
  /** Hands bytes over, good until it returns; after its end nothing happens. */
  write(bytes: Uint8Array): void;
  /** Ends it when all that waits has been taken. */
  end(): void;
  /** Ends it now. */
  destroy(): void;
}

/** Who listens. */
export interface Listening {
  /** Nobody connects any more; what is connected stays. */
  stop(): Promise<void>;
}

/** Sockets of a runtime. */
export interface Sockets {
  /**
   * Connects, hands the socket on, and resolves. Rejects with the system's error, whose `code` is a name as
   * ECONNREFUSED.
   */
  dial(place: Place, onSocket: (socket: OpenSocket) => SocketEvents): Promise<void>;
  /** Listens on a unix socket, which exists when this returns. Throws, or rejects, as `dial`. */
  listen(path: string, onSocket: (socket: OpenSocket) => SocketEvents): Promise<Listening>;
}

/** Those of the runtime that this runs on. */
export function theseSockets(): Sockets {
  return bunSockets() ?? NODE;
}

/** node:net, on any runtime. */
export const NODE: Sockets = {
  dial: (place, onSocket) =>
    new Promise((resolve, reject) => {
      const socket = connect("path" in place ? { path: place.path } : { ...place });
      socket.setNoDelay(true);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        const told: { events?: SocketEvents } = {};
        told.events = onSocket(nodeSocket(socket, () => told.events));
        resolve();
      });
    }),

  listen: (path, onSocket) =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        const told: { events?: SocketEvents } = {};
        told.events = onSocket(nodeSocket(socket, () => told.events));
      });
      server.once("error", reject);
      server.once("listening", () => {
        server.off("error", reject);
        resolve({ stop: () => new Promise((done) => void server.close(() => done())) });
      });
      // The socket is made before this returns.
      server.listen(path);
    }),
};

/** A socket of node:net, or of node:tls; it is followed from now on. */
export function nodeSocket(socket: Socket, events: () => SocketEvents | undefined): OpenSocket {
  let cause: Error | undefined;
  socket.on("data", (bytes: Uint8Array) => events()?.onBytes(plainBytes(bytes)));
  socket.on("error", (error) => cause ??= error);
  socket.on("close", () => events()?.onClose(cause));
  return {
    get fd() {
      const fd = (socket as { readonly _handle?: { readonly fd?: unknown } })._handle?.fd;
      return typeof fd === "number" && fd >= 0 ? fd : undefined;
    },
    get waiting() {
      return socket.writableLength;
    },
    write(bytes) {
      // A copy: the socket keeps what it cannot write at once.
      if (!socket.destroyed && !socket.writableEnded) socket.write(bytes.slice());
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}
