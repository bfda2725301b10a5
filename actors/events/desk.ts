/**
 * The event daemon's end of the socket: takes questions, runs one event at a time, and answers.
 *
 *   run ─▶ EventRun ─▶ ended          a second one meanwhile: failed "busy"
 *   the node's end closes ─▶ what runs is killed, onLeft
 *
 * Does NOT promise: an answer when the node's end has gone.
 */
import type { ScriptFolder } from "../../transport/script_folder.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import {
  EVENT_LINE_MAX,
  type EventAnswer,
  type EventQuestion,
  questionGate,
} from "../../transport/wire/event_daemon.ts";
import type { Log, Stream, StreamEvents } from "../../transport/world.ts";
import { encodeLine, LineReader } from "../control.ts";
import { EventRun, type RunnerParts } from "./runner.ts";

/** What a desk needs. */
export interface DeskParts extends RunnerParts {
  readonly folder: ScriptFolder;
  /** The node is there no more, or has said "stop". */
  readonly onLeft: () => void;
}

/** One connection of the node. */
export class EventDesk implements StreamEvents {
  readonly #parts: DeskParts;
  readonly #stream: Stream;
  readonly #log: Log;
  readonly #lines = new LineReader(EVENT_LINE_MAX);
  readonly #gate = questionGate();
  #run: { readonly id: number; readonly run: EventRun } | undefined;
  #isOver = false;

  constructor(parts: DeskParts, stream: Stream) {
    this.#parts = parts;
    this.#stream = stream;
    this.#log = parts.log;
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#isOver) return;
    try {
      for (const line of this.#lines.add(bytes)) this.#take(this.#gate.read(line));
    } catch (error) {
      this.#log.write("error", "The node says what cannot be read; its connection ends", { error });
      this.#stream.close();
      this.onClose();
    }
  }

  onClose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#run?.run.cancel();
    this.#parts.onLeft();
  }

  #take(question: EventQuestion): void {
    const { id } = question;
    try {
      switch (question.kind) {
        case "run":
          return this.#start(question);
        case "cancel":
          if (this.#run?.id === id) this.#run.run.cancel();
          return;
        case "list": {
          const { scripts, why } = this.#parts.folder.look();
          const rows = scripts.map(({ path: _path, ...row }) => row);
          return this.#say({
            kind: "scripts",
            id,
            scripts: rows,
            ...why === undefined ? {} : { why },
          });
        }
        case "switch": {
          const { path: _path, ...script } = this.#parts.folder.switch(
            question.name,
            question.isEnabled,
          );
          return this.#say({ kind: "switched", id, script });
        }
        case "ping":
          return this.#say({ kind: "pong", id });
        case "stop":
          this.#say({ kind: "pong", id });
          return this.onClose();
      }
    } catch (error) {
      const { code, message } = error instanceof CtdbxError
        ? error
        : new CtdbxError("io", error instanceof Error ? error.message : String(error));
      this.#say({ kind: "failed", id, code, text: message.slice(0, 1024) });
    }
  }

  #start({ id, event, args, timeoutMs }: EventQuestion & { readonly kind: "run" }): void {
    if (this.#run !== undefined) throw new CtdbxError("busy", "Cannot run it: another event runs");
    const run = new EventRun(this.#parts, { event, args, timeoutMs });
    this.#run = { id, run };
    void run.ended.then((end) => {
      this.#run = undefined;
      this.#say({ kind: "ended", id, end });
    });
  }

  #say(answer: EventAnswer): void {
    if (!this.#isOver || answer.kind === "pong") this.#stream.write(encodeLine(answer));
  }
}
