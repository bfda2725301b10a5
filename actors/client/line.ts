/**
 * A program's connection to the data thread of a node, made again when it is cut.
 *
 *   down ─ dial, hello ─▶ restoring: attach, listen, offer again ─▶ up ─▶ cut: all that waited is told "lost"
 *     ^                                                                    |
 *     '───────────────────── pause, 10 ms to 500 ms ───────────────────────'
 *
 * Frames of one turn of the event loop leave together. Each thing that waits has its own time, looked after here, for a
 * daemon that says nothing any more.
 *
 * Does NOT promise: to know whether what was lost had been done; whoever asked knows what that means.
 */
import { CLIENT_PROTOCOL, FRAME, FrameWriter } from "../../transport/wire/client/frames.ts";
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { Clock, StreamEvents } from "../../transport/world.ts";
import { asError, Connection, errorOf, overError, type Wire } from "./connection.ts";

/** Pause before another try to connect: doubled each time, ms. */
const PAUSE_MIN_MS = 10;
const PAUSE_MAX_MS = 500;
/** How often it is looked for what has waited too long, ms. */
const SWEEP_MS = 50;
/** A daemon ends what it was asked by the time that it was told; it is given so much more, ms. */
const GRACE_MS = 250;
const HELLO_MS = 5000;
const FLUSH_BYTES = 256 * 1024;

/** What a node says of itself. */
export interface NodeHello {
  readonly pnn: number;
  readonly name: string;
  readonly cluster: string;
  readonly version: string;
  /** Of a node of this machine only. */
  readonly files?: { readonly pagePath: string; readonly folder: string };
}

/** Something that waits for frames of the node. */
export interface Pending {
  /** By the clock; later it is told "late". */
  readonly untilMs: number;
  /** A frame for it. Answers whether it waits for more. */
  frame(kind: number, body: FrameBody): boolean;
  /** Nothing more comes: the connection was cut, or it took too long, or the program has closed it. */
  over(why: "lost" | "late" | "closed"): void;
}

/** Who hears what is not an answer. */
export interface LineEvents {
  /** Attaches, listens and offers again, by `ask`; the line is up when this resolves. */
  restore(): Promise<void>;
  /** A database that was attached is another one now, or has gone (undefined). */
  onDatabase(ref: number, since: bigint | undefined): void;
  onItems(body: FrameBody): void;
  onRun(id: number, body: FrameBody): void;
  /** A message that was posted was not accepted. */
  onRefused(code: ErrorCode, text: string): void;
  /** It is over for good. */
  onEnd(why: CtdbxError): void;
}

/** What a line is made with. */
export interface LineParts {
  readonly clock: Clock;
  readonly pid: number;
  /** What the program calls itself. */
  readonly program: string;
  readonly dial: (events: StreamEvents) => Promise<Wire>;
  readonly events: LineEvents;
}

/** Codes of a farewell after which another try makes no sense. */
const FINAL: readonly ErrorCode[] = ["version", "denied", "unsupported"];

/** One connection. */
export class Line {
  readonly #parts: LineParts;
  readonly #writer = new FrameWriter();
  readonly #pending = new Map<number, Pending>();
  /** Who waits until it is up. */
  readonly #waiting = new Set<(error: CtdbxError | undefined) => void>();
  #node: NodeHello | undefined;
  #connection: Connection | undefined;
  #wire: Wire | undefined;
  #isUp = false;
  #end: CtdbxError | undefined;
  /** Why the last try came to nothing. */
  #trouble: CtdbxError | undefined;
  #id = 0;
  #willFlush = false;
  #isSweeping = false;

  constructor(parts: LineParts) {
    this.#parts = parts;
  }

  /** What the node said last. Throws "state": it never said anything. */
  get node(): NodeHello {
    if (this.#node !== undefined) return this.#node;
    throw new CtdbxError("state", "Cannot say who the node is: it was never reached");
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Why it is over; undefined: it is not. */
  get end(): CtdbxError | undefined {
    return this.#end;
  }

  /** Connects. Throws what the first try fails with, unless the node is only not ready: that is awaited. */
  async open(timeoutMs: number): Promise<void> {
    const untilMs = this.#parts.clock.nowMs() + timeoutMs;
    await this.#try().catch((error: unknown) => {
      const isBusy = error instanceof CtdbxError && error.code === "busy";
      if (!isBusy) throw this.#endBy(asError(error));
      void this.#dialOn();
    });
    await this.up(untilMs);
  }

  /** Waits until it is up. Throws "timeout", or why it is over. */
  up(untilMs: number): Promise<void> {
    if (this.#isUp) return Promise.resolve();
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const { clock } = this.#parts;
    return new Promise((resolve, reject) => {
      const stop = clock.after(Math.max(0, untilMs - clock.nowMs()), () => {
        this.#waiting.delete(tell);
        const why = this.#trouble === undefined ? "it does not answer" : this.#trouble.message;
        reject(new CtdbxError("timeout", `Cannot reach the node: ${why}`));
      });
      const tell = (error: CtdbxError | undefined) => {
        stop();
        this.#waiting.delete(tell);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#waiting.add(tell);
    });
  }

  /**
   * Begins something: `write` puts its first frame together. Only while it is up (or while it is restored). Answers its
   * number.
   */
  begin(pending: Pending, write: (writer: FrameWriter, id: number) => void): number {
    if (this.#wire === undefined) {
      throw this.#end ?? new CtdbxError("state", "Cannot ask the node: not connected");
    }
    const id = this.#newId();
    this.#write((writer) => write(writer, id));
    this.#pending.set(id, pending);
    this.#sent();
    this.#sweepLater();
    return id;
  }

  /** Sends a frame that has no answer; it is dropped while the line is down. */
  tell(write: (writer: FrameWriter) => void): void {
    if (this.#wire === undefined) return;
    this.#write(write);
    this.#sent();
  }

  /** Half a frame, of what cannot be written, would be the ruin of all others. */
  #write(write: (writer: FrameWriter) => void): void {
    try {
      write(this.#writer);
    } catch (error) {
      this.#writer.drop();
      throw error;
    }
  }

  /** What was begun is not waited for any more. */
  forget(id: number): void {
    this.#pending.delete(id);
  }

  /** A number for something that is begun by a question, and told of later. */
  listen(pending: Pending): number {
    const id = this.#newId();
    this.#pending.set(id, pending);
    return id;
  }

  /** Asks; JSON. Throws the node's refusal, "unknown" if the line was cut, "timeout". */
  ask(what: Record<string, unknown>, untilMs: number): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const name = String(what["do"]);
      this.begin({
        untilMs,
        frame: (kind, body) => {
          if (kind === FRAME.ok) resolve(body.json());
          else reject(errorOf(body));
          return false;
        },
        over: (why) => reject(overError(name, why)),
      }, (writer, id) => writer.json(FRAME.ask, id, what));
    });
  }

  /** Ends it: what waits is told. Idempotent. */
  close(why = "the program has closed it"): void {
    if (this.#end !== undefined) return;
    this.#endBy(new CtdbxError("state", `The connection has ended: ${why}`));
  }

  /** Hands on what was written. */
  flush(): void {
    if (this.#writer.size === 0) return;
    const bytes = this.#writer.take();
    this.#wire?.write(bytes);
  }

  #newId(): number {
    do this.#id = this.#id >= 0xffff_ffff ? 1 : this.#id + 1; while (this.#pending.has(this.#id));
    return this.#id;
  }

  #sent(): void {
    if (this.#writer.size >= FLUSH_BYTES) return this.flush();
    if (this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(() => {
      this.#willFlush = false;
      this.flush();
    });
  }

  async #dialOn(): Promise<void> {
    const { clock } = this.#parts;
    let pauseMs = PAUSE_MIN_MS;
    while (this.#end === undefined) {
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
      pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
      if (this.#end !== undefined) return;
      try {
        return await this.#try();
      } catch (error) {
        this.#trouble = asError(error);
        if (FINAL.includes(this.#trouble.code)) this.#endBy(this.#trouble);
      }
    }
  }

  /** Connects once, and restores. Throws why not. */
  async #try(): Promise<void> {
    const { dial, events, clock } = this.#parts;
    const one = new Connection(
      (kind, id, body) => this.#take(kind, id, body),
      () => this.#down(one),
    );
    one.wire = await dial(one);
    if (one.gone !== undefined || this.#end !== undefined) {
      one.wire.close();
      throw this.#end ?? one.gone ?? new CtdbxError("state", "Cannot connect: cut at once");
    }
    this.#wire = one.wire;
    this.#connection = one;
    try {
      const untilMs = clock.nowMs() + HELLO_MS;
      const node = await this.#hello(untilMs);
      this.#node = node;
      await events.restore();
    } catch (error) {
      // A cut, or a farewell, says more than what came of it.
      const why = one.gone ?? error;
      this.#drop(one);
      throw why;
    }
    if (one.gone !== undefined) throw one.gone;
    this.#isUp = true;
    for (const tell of [...this.#waiting]) tell(undefined);
  }

  #hello(untilMs: number): Promise<NodeHello> {
    const { pid, program } = this.#parts;
    return new Promise((resolve, reject) => {
      this.begin({
        untilMs,
        frame: (kind, body) => {
          if (kind === FRAME.ok) resolve(body.json() as unknown as NodeHello);
          else reject(errorOf(body));
          return false;
        },
        over: (why) => reject(overError("greet", why)),
      }, (writer, id) => writer.json(FRAME.hello, id, { protocol: CLIENT_PROTOCOL, pid, program }));
    });
  }

  /** Takes a frame of the node. */
  #take(kind: number, id: number, body: FrameBody): void {
    const { events } = this.#parts;
    switch (kind) {
      case FRAME.items:
        return events.onItems(body);
      case FRAME.run:
        return events.onRun(id, body);
      case FRAME.database: {
        const { ref, since } = body.json();
        const isThere = typeof since === "string";
        return events.onDatabase(Number(ref), isThere ? BigInt(since) : undefined);
      }
      case FRAME.bye: {
        const { code, text } = body.json();
        const error = new CtdbxError(code as ErrorCode, String(text));
        if (this.#connection !== undefined) this.#connection.gone = error;
        return;
      }
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      if (kind === FRAME.error && id === 0) {
        const { code, message } = errorOf(body);
        events.onRefused(code, message);
      }
      return;
    }
    if (!pending.frame(kind, body)) this.#pending.delete(id);
  }

  /** The connection is gone. */
  #down(one: Connection): void {
    if (this.#connection !== one) return;
    const wasUp = this.#isUp;
    this.#drop(one);
    const { gone } = one;
    this.#trouble = gone;
    if (gone !== undefined && FINAL.includes(gone.code)) this.#endBy(gone);
    // While it was being restored, whoever dialled goes on.
    else if (wasUp) void this.#dialOn();
  }

  #drop(one: Connection): void {
    if (this.#connection !== one) return;
    this.#connection = undefined;
    this.#wire = undefined;
    this.#isUp = false;
    this.#writer.take();
    one.wire?.close();
    this.#overAll("lost");
  }

  #overAll(why: "lost" | "closed"): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of all) pending.over(why);
  }

  #endBy(error: CtdbxError): CtdbxError {
    if (this.#end !== undefined) return this.#end;
    this.flush();
    this.#end = error;
    const wire = this.#wire;
    this.#wire = undefined;
    this.#connection = undefined;
    this.#isUp = false;
    wire?.close();
    this.#overAll("closed");
    for (const tell of [...this.#waiting]) tell(error);
    this.#parts.events.onEnd(error);
    return error;
  }

  #sweepLater(): void {
    if (this.#isSweeping || this.#pending.size === 0) return;
    this.#isSweeping = true;
    const { clock } = this.#parts;
    clock.after(SWEEP_MS, () => {
      this.#isSweeping = false;
      const nowMs = clock.nowMs();
      for (const [id, pending] of this.#pending) {
        if (pending.untilMs + GRACE_MS > nowMs) continue;
        this.#pending.delete(id);
        this.tell((writer) => writer.begin(FRAME.cancel, id).end());
        pending.over("late");
      }
      this.#sweepLater();
    });
  }
}
