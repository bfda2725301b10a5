/**
 * The node's end of the socket to its event daemon, and how one is started.
 *
 *   start the program ── its first line: "ready" ──▶ dial its socket ──▶ EventLink
 *   the program ends, or the connection ──▶ every question that waits fails, `ended`
 *
 * Does NOT promise: that an event whose connection was lost was not run.
 */
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import {
  answerGate,
  EVENT_LINE_MAX,
  type EventAnswer,
  type EventEnd,
  type EventName,
  type EventQuestion,
  type ScriptRow,
} from "../../transport/wire/event_daemon.ts";
import type { Child, Clock, Host, Log, Stream } from "../../transport/world.ts";
import { encodeLine, LineReader } from "../control.ts";
import type { ThreadHandle } from "../kept_thread.ts";

/** What a program that has made its socket says. */
export const READY = "ready";

/** A program that is not ready after this, ms, is killed, and started again. */
const READY_MS = 20_000;

/** The scripts of a node, as the event daemon sees them. */
export interface ScriptList {
  readonly scripts: readonly ScriptRow[];
  /** Why no event may be run. */
  readonly why?: string;
}

/** What an event daemon does for its node. Each rejects with CtdbxError. */
export interface EventDaemon {
  run(id: number, event: EventName, args: readonly string[], timeoutMs: number): Promise<EventEnd>;
  /** Calls off the run of this id; its end says so. */
  cancel(id: number): void;
  list(): Promise<ScriptList>;
  switch(name: string, isEnabled: boolean): Promise<ScriptRow>;
  ping(): Promise<void>;
  stop(): Promise<void>;
}

/** One that runs. */
export type EventHandle = ThreadHandle<EventDaemon>;

/** How one is started. */
export interface EventProgram {
  readonly host: Host;
  readonly log: Log;
  readonly clock: Pick<Clock, "after">;
  readonly command: readonly string[];
  readonly socketPath: string;
}

/** Starts an event daemon, and connects to it. Throws CtdbxError. */
export async function startEventDaemon(program: EventProgram): Promise<EventHandle> {
  const { host, log, clock, command, socketPath } = program;
  const ready = Promise.withResolvers<void>();
  const child = await host.start(command, {
    onLine: (line) => {
      if (line === READY) ready.resolve();
      else log.write("info", `event daemon: ${line}`);
    },
  });
  void child.ended.then(({ code, signal }) => {
    ready.reject(
      new CtdbxError("io", `the event daemon has ended: ${signal ?? `exit code ${code}`}`),
    );
  });
  const cancel = clock.after(READY_MS, () => {
    const why = `the event daemon is not ready after ${READY_MS / 1000} s`;
    ready.reject(new CtdbxError("timeout", why));
  });
  try {
    await ready.promise;
    const link = new EventLink(child);
    await link.dial(host, socketPath);
    return {
      thread: link,
      ended: link.ended,
      end: () => child.signal("SIGKILL"),
    };
  } catch (error) {
    child.signal("SIGKILL");
    throw error;
  } finally {
    cancel();
  }
}

interface Waiting {
  readonly ok: (answer: EventAnswer) => void;
  readonly fail: (error: CtdbxError) => void;
}

/** The connection. */
class EventLink implements EventDaemon {
  readonly ended: Promise<Error>;
  readonly #child: Child;
  readonly #lines = new LineReader(EVENT_LINE_MAX);
  readonly #gate = answerGate();
  readonly #waiting = new Map<number, Waiting>();
  #end: (error: Error) => void = () => {};
  #stream: Stream | undefined;
  // Runs have ids of their caller's; those of other questions are far above.
  #id = 0x8000_0000;

  constructor(child: Child) {
    this.#child = child;
    this.ended = new Promise((resolve) => this.#end = resolve);
    void child.ended.then(({ code, signal }) => this.#lost(signal ?? `exit code ${code}`));
  }

  async dial(host: Host, path: string): Promise<void> {
    this.#stream = await host.dial(path, {
      onBytes: (bytes) => this.#onBytes(bytes),
      // The program's own end says more, if it has one.
      onClose: () => this.#child.signal("SIGKILL"),
    });
  }

  async run(
    id: number,
    event: EventName,
    args: readonly string[],
    timeoutMs: number,
  ): Promise<EventEnd> {
    const answer = await this.#ask({ kind: "run", id, event, args: [...args], timeoutMs });
    return answer.kind === "ended" ? answer.end : odd(answer);
  }

  cancel(id: number): void {
    this.#stream?.write(encodeLine({ kind: "cancel", id } satisfies EventQuestion));
  }

  async list(): Promise<ScriptList> {
    const answer = await this.#ask({ kind: "list", id: this.#id++ });
    if (answer.kind !== "scripts") return odd(answer);
    const { scripts, why } = answer;
    return { scripts, ...why === undefined ? {} : { why } };
  }

  async switch(name: string, isEnabled: boolean): Promise<ScriptRow> {
    const answer = await this.#ask({ kind: "switch", id: this.#id++, name, isEnabled });
    return answer.kind === "switched" ? answer.script : odd(answer);
  }

  async ping(): Promise<void> {
    await this.#ask({ kind: "ping", id: this.#id++ });
  }

  async stop(): Promise<void> {
    await this.#ask({ kind: "stop", id: this.#id++ });
  }

  #ask(question: EventQuestion): Promise<EventAnswer> {
    return new Promise((ok, fail) => {
      this.#waiting.set(question.id, { ok, fail });
      if (this.#stream === undefined) this.#lost("it is not connected");
      else this.#stream.write(encodeLine(question));
    });
  }

  #onBytes(bytes: Uint8Array): void {
    try {
      for (const line of this.#lines.add(bytes)) this.#take(this.#gate.read(line));
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
      this.#child.signal("SIGKILL");
    }
  }

  #take(answer: EventAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.kind !== "failed") waiting?.ok(answer);
    else waiting?.fail(new CtdbxError(answer.code as ErrorCode, answer.text));
  }

  #lost(why: string): void {
    this.#stream?.close();
    this.#stream = undefined;
    const error = new CtdbxError("io", why);
    for (const { fail } of this.#waiting.values()) fail(error);
    this.#waiting.clear();
    this.#end(error);
  }
}

function odd(answer: EventAnswer): never {
  throw new CtdbxError("io", `Cannot ask the event daemon: it answers with ${answer.kind}`);
}
