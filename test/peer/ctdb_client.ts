/**
 * A client of stock ctdbd: one connection to a daemon's unix socket.
 *
 *   control, call --request--> daemon --reply--> promise      message <--number-- whoever listens to it
 *
 * Packets of one turn go out in one write. A request without an answer fails after REQUEST_MS; when the connection
 * ends, all of them do.
 *
 * Does NOT promise: to come back after the end of the connection; whoever needs that makes another.
 */

import { createConnection, type Socket } from "node:net";
import { clearInterval, setInterval } from "node:timers";
import {
  CONTROL,
  LEADER,
  NO_REPLY,
  NODE,
  OP,
  type Packet,
  PacketReader,
  PacketWriter,
  readMessage,
  readReply,
  type Reply,
  wordOf,
} from "./ctdb_wire.ts";

/** A request fails after so long. Recovery of a large database takes tens of seconds. */
const REQUEST_MS = 120_000;
const SWEEP_MS = 1000;
const NOTHING = new Uint8Array(0);

interface Waiter {
  readonly what: string;
  readonly sinceMs: number;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** More of a control. */
export interface ControlOptions {
  /** Node; default: the own daemon. */
  readonly to?: number;
  readonly srvid?: bigint;
  readonly data?: Uint8Array;
}

/** One connection. */
export class CtdbClient {
  /** Number of the node. */
  pnn: number = NODE.unknown;
  readonly #socket: Socket;
  readonly #writer = new PacketWriter();
  readonly #waiters = new Map<number, Waiter>();
  readonly #listeners = new Map<bigint, (data: Uint8Array) => void>();
  readonly #sweep: ReturnType<typeof setInterval>;
  #request = 0;
  #isQueued = false;
  #leader: number | undefined;
  #end: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new PacketReader((packet) => this.#take(packet));
    socket.on("data", (bytes: Uint8Array) => {
      try {
        reader.feed(bytes);
      } catch (error) {
        this.#fail(error as Error);
      }
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("ctdbd has closed the connection")));
    this.#sweep = setInterval(() => this.#late(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** Connects to the socket at a path and asks for the node's number. */
  static async connect(path: string): Promise<CtdbClient> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", () => resolve());
      socket.once("error", (cause) => {
        reject(new Error(`Cannot connect to ctdbd at ${path}: ${cause.message}`, { cause }));
      });
    });
    const client = new CtdbClient(socket);
    client.pnn = (await client.control(CONTROL.getPnn)).status;
    return client;
  }

  /** Why the connection has ended; undefined: it is up. */
  get end(): Error | undefined {
    return this.#end;
  }

  /** Bytes that the daemon has not taken yet. */
  get unsent(): number {
    return this.#writer.length + this.#socket.writableLength;
  }

  /** What the leader has told last; undefined: nothing yet, see watchLeader. */
  get leader(): number | undefined {
    return this.#leader;
  }

  /** Asks the daemon. Throws when the answer is an error; a status is handed on. */
  async control(opcode: number, options: ControlOptions = {}): Promise<Reply> {
    const { to = NODE.current, srvid = 0n, data = NOTHING } = options;
    const request = this.#next();
    const answer = this.#wait(request, `control ${opcode}`);
    const control = { opcode, srvid, flags: 0, data };
    this.#writer.control(request, to, this.pnn, control);
    this.#queue();
    const reply = await answer;
    if (reply.status >= 0) return reply;
    throw new Error(`Cannot do control ${opcode}: status ${reply.status} ${reply.error}`);
  }

  /** A control that nobody answers. */
  tell(opcode: number, data: Uint8Array): void {
    this.#must(`control ${opcode}`);
    const control = { opcode, srvid: 0n, flags: NO_REPLY, data };
    this.#writer.control(0, NODE.current, this.pnn, control);
    this.#queue();
  }

  /** Calls a function of a record; its data. */
  async call(dbId: number, callId: number, flags: number, key: Uint8Array): Promise<Uint8Array> {
    const request = this.#next();
    const answer = this.#wait(request, "call");
    this.#writer.call(request, this.pnn, { dbId, callId, flags, key });
    this.#queue();
    const { status, data, error } = await answer;
    if (status === 0) return data;
    throw new Error(`Cannot call: status ${status} ${error}`);
  }

  /** Sends a message to whoever listens to `srvid` at a node. */
  send(to: number, srvid: bigint, data: Uint8Array): void {
    this.#must("send");
    this.#writer.message(to, this.pnn, srvid, data);
    this.#queue();
  }

  /** Listens to a number; the bytes are good inside the callback. Resolves when the daemon knows. */
  async listen(srvid: bigint, onMessage: (data: Uint8Array) => void): Promise<void> {
    this.#listeners.set(srvid, onMessage);
    await this.control(CONTROL.register, { srvid });
  }

  /** Ends a listen. */
  async ignore(srvid: bigint): Promise<void> {
    await this.control(CONTROL.deregister, { srvid });
    this.#listeners.delete(srvid);
  }

  /** Follows who leads; resolves with the first that tells of itself. */
  async watchLeader(): Promise<number> {
    return await new Promise<number>((resolve, reject) => {
      this.listen(LEADER, (data) => {
        const pnn = wordOf(data);
        this.#leader = pnn === NODE.unknown ? undefined : pnn;
        if (pnn !== NODE.unknown) resolve(pnn);
      }).catch(reject);
    });
  }

  close(): void {
    this.#fail(new Error("closed"));
  }

  #next(): number {
    this.#request = (this.#request + 1) >>> 0 || 1;
    return this.#request;
  }

  #must(what: string): void {
    if (this.#end !== undefined) {
      throw new Error(`Cannot ${what} at ctdbd: ${this.#end.message}`, { cause: this.#end });
    }
  }

  #wait(request: number, what: string): Promise<Reply> {
    this.#must(what);
    const sinceMs = performance.now();
    return new Promise((resolve, reject) => {
      this.#waiters.set(request, { what, sinceMs, resolve, reject });
    });
  }

  #queue(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      if (this.#end === undefined) this.#socket.write(this.#writer.take());
    });
  }

  #take(packet: Packet): void {
    if (packet.operation === OP.message) {
      const { srvid, data } = readMessage(packet);
      this.#listeners.get(srvid)?.(data);
      return;
    }
    const reply = readReply(packet);
    const waiter = this.#waiters.get(packet.request);
    if (reply === undefined || waiter === undefined) return;
    this.#waiters.delete(packet.request);
    waiter.resolve({ ...reply, data: reply.data.slice() });
  }

  #late(): void {
    const beforeMs = performance.now() - REQUEST_MS;
    for (const [request, waiter] of this.#waiters) {
      if (waiter.sinceMs > beforeMs) return;
      this.#waiters.delete(request);
      waiter.reject(new Error(`Cannot ${waiter.what}: no answer in ${REQUEST_MS} ms`));
    }
  }

  #fail(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    clearInterval(this.#sweep);
    this.#socket.destroy();
    for (const { what, reject } of this.#waiters.values()) {
      reject(new Error(`Cannot ${what}: ${error.message}`, { cause: error }));
    }
    this.#waiters.clear();
  }
}
