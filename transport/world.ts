/**
 * The world as ctdbx sees it: everything that is not computing comes in through these ports.
 *
 *   World { bus, clock, dice, disk, images, host, log }     real_*.ts: NATS, the system | sim/*: seeded, virtual time
 *
 * Whoever needs a part gets it as a constructor argument. Nothing else reads a clock, throws dice, opens a file or a
 * socket; so a whole cluster runs in one thread, in virtual time, and the same seed gives the same run.
 *
 * Does NOT promise: order between messages of different senders, or that a message arrives, or that it arrives once.
 */
import type { CtdbxError } from "./wire/errors.ts";
import type { ImageStore } from "./image.ts";

/** A message as it came. `payload` is good after the handler, too: it is not used again. It is no Buffer. */
export interface BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Where an answer is awaited; undefined: nowhere. */
  readonly reply: string | undefined;
}

/** How the connection is. "connected" says only that the last sign of the server was recent. */
export type BusStatus = "connected" | "disconnected" | "closed";

/** Publish and subscribe, with request and reply; one connection. */
export interface Bus {
  readonly status: BusStatus;
  /** What is wrong with it, a phrase; undefined: nothing, or nobody knows. */
  readonly trouble?: string | undefined;
  /** Bytes of one message at most (the server's, and never above MESSAGE_MAX). */
  readonly payloadMax: number;
  /** Bytes that were published and that the system has not taken yet; undefined: it is not known. */
  readonly waiting?: number | undefined;
  /**
   * Hands a message to the connection and returns at once; while disconnected it is dropped. Throws "limit" (payload),
   * RangeError (a subject with wildcards or odd characters), "state" (closed).
   */
  publish(subject: string, payload: Uint8Array, reply?: string): void;
  /**
   * Calls `onMessage` for each message of a subject, which may hold the wildcards `*` and `>`. Messages of one sender
   * come in its order. Answers how to end it.
   */
  subscribe(subject: string, onMessage: (message: BusMessage) => void): () => void;
  /** Sends and awaits the first answer. Throws "timeout", "not_found" (nobody listens), "state" (disconnected). */
  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage>;
  /** Calls `onStatus` at each change. Answers how to end it. */
  watch(onStatus: (status: BusStatus) => void): () => void;
  /** Resolves when what was published has reached the server. Throws "timeout". */
  flush(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Time. Only differences of `nowMs` mean something, and only on one node. */
export interface Clock {
  /** Milliseconds with fractions, of CLOCK_BOOTTIME: never back, asleep counts, drift below 1 %. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970: to show people, never to decide. */
  wallMs(): number;
  /**
   * Calls `fire` in a later turn, `delayMs` (0 or more) from now or somewhat later; of two that are due either may be
   * the first. Answers how to call it off.
   */
  after(delayMs: number, fire: () => void): () => void;
}

/** Chance. */
export interface Dice {
  /** Any u32. */
  u32(): number;
  /** 0 .. count-1; `count` 1 .. 2^32. */
  below(count: number): number;
  /** True `hits` times in `of`. */
  chance(hits: number, of: number): boolean;
}

/** Small files that are read and written as a whole; large ones are images. Paths are absolute. */
export interface Disk {
  /** The bytes of a file; undefined: there is none. Throws "io", "denied", "limit" (above FILE_READ_MAX). */
  read(path: string): Uint8Array | undefined;
  /**
   * Writes a file in place (made when absent, mode 0600) and makes it and its name durable, then calls `done` in a
   * later turn. After a crash meanwhile it holds any mixture. Calls for one path run in order.
   */
  write(path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void): void;
  /** Writes a new file beside it and renames: after a crash the old or the new one. `done` as in write. */
  replace(path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void): void;
  /** Removes a file; nothing happens when there is none. */
  remove(path: string): void;
  /** Names in a folder, sorted; none when there is no folder. */
  list(folder: string): string[];
  /** Makes a folder and those above it, mode 0700. */
  makeFolder(path: string): void;
}

/** Makes mapped files durable without holding up the thread. */
export interface FileSync {
  /** Resolves when all that was written to the file before is on the disk. Rejects with "io", "not_found". */
  sync(path: string): Promise<void>;
  /** The file is not synced any more, as it goes or is renamed. Nothing happens when it never was. */
  forget(path: string): void;
}

/** A child that was started; it leads a process group of its own. */
export interface Child {
  readonly pid: number;
  /** Resolves when it has ended: its exit code, or the signal. */
  readonly ended: Promise<
    { readonly code: number | undefined; readonly signal: string | undefined }
  >;
  /** Signals its whole group; nothing happens when it has ended. */
  signal(name: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGINT"): void;
}

/** How to start a child. */
export interface ChildOptions {
  /** Environment; the parent's when absent. */
  readonly env?: Readonly<Record<string, string>>;
  /** File that its output and errors are added to; dropped when absent. */
  readonly logPath?: string;
  /** Called with each line of its standard output, instead of the file. */
  readonly onLine?: (line: string) => void;
  /** Does it live on when this process ends? Default false: it is killed with it. */
  readonly detached?: boolean;
}

/** The process at the other end of a stream, as the kernel knows it. */
export interface Caller {
  readonly uid: number;
  readonly pid: number;
}

/** One end of a stream between processes of a host. */
export interface Stream {
  /** Who connected; undefined where the system does not say, and at the end that dialled. */
  readonly caller?: Caller;
  /** Bytes written that the system has not taken yet: who reads slowly makes it grow. */
  readonly waiting: number;
  /** Hands bytes over, in order; they are good until it returns. After the stream is closed nothing happens. */
  write(bytes: Uint8Array): void;
  close(): void;
}

/** What a stream tells. */
export interface StreamEvents {
  /** They are good afterwards, too, and no Buffer. */
  onBytes(bytes: Uint8Array): void;
  onClose(error?: CtdbxError): void;
}

/** The machine: processes and local sockets. */
export interface Host {
  readonly pid: number;
  readonly name: string;
  /** Starts a program. Throws "not_found", "denied". */
  start(command: readonly string[], options?: ChildOptions): Promise<Child>;
  /** Is there a process with this id? */
  alive(pid: number): boolean;
  /**
   * Listens on a unix socket (mode 0600); answers how to end it. Throws "exists" when somebody listens there. `isSure`:
   * whoever calls has made sure that nobody else will try: no lock is held, which would outlive a thread that dies.
   */
  listen(
    path: string,
    onStream: (stream: Stream) => StreamEvents,
    isSure?: boolean,
  ): Promise<() => Promise<void>>;
  /** Connects to a unix socket. Throws "not_found" when nobody listens. */
  dial(path: string, events: StreamEvents): Promise<Stream>;
}

/** How grave a line of the log is. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Where a process tells what it does. */
export interface Log {
  /** A sentence and what belongs to it, by name. */
  write(level: LogLevel, text: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** All of it. */
export interface World {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly disk: Disk;
  readonly images: ImageStore;
  /** Absent: images are synced in the thread that asks. */
  readonly syncs?: FileSync;
  readonly host: Host;
  readonly log: Log;
}
