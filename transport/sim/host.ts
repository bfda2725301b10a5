/**
 * The Host port on a simulated machine: programs are functions, sockets are names.
 *
 *   machine.install("prints", (child) => { child.print("x"); child.exit(0); })
 *   host.start(["prints", ...]) -> a process with an id, a life and a group of its own
 *
 * Does NOT promise: grandchildren that outlive their parent's group; a program that starts others uses a Host.
 */
import { checkPid, checkSocketPath } from "../host_checks.ts";
import { CtdbxError } from "../wire/errors.ts";
import type { Child, ChildOptions, Host, Stream, StreamEvents } from "../world.ts";
import type { SimTime } from "./clock.ts";
import type { SimDisk } from "./disk.ts";
import { SimLife } from "./life.ts";
import { SimStream } from "./stream.ts";

/** A process as its program sees it. */
export interface SimProcess {
  readonly pid: number;
  /** Words of the command, the program's name first. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly life: SimLife;
  /** A line on its standard output. */
  print(line: string): void;
  exit(code: number): void;
}

/** What a program does when it starts. */
export type SimProgram = (process: SimProcess) => void;

/** Starting a process takes so long, ms. */
const START_MS = 2;
const DIAL_MS = 0.05;

interface Listener {
  readonly life: SimLife;
  readonly onStream: (stream: Stream) => StreamEvents;
  readonly streams: Set<SimStream>;
}

/** What all processes of one machine share. */
export class SimSystem {
  readonly name: string;
  readonly time: SimTime;
  readonly disk: SimDisk;
  readonly programs = new Map<string, SimProgram>();
  readonly listeners = new Map<string, Listener>();
  readonly lives = new Map<number, SimLife>();
  #pid = 100;

  constructor(name: string, time: SimTime, disk: SimDisk) {
    this.name = name;
    this.time = time;
    this.disk = disk;
  }

  /** From now on commands that begin with `name` start it. */
  install(name: string, program: SimProgram): void {
    this.programs.set(name, program);
  }

  /** An id for a life, which it has until it ends. */
  newPid(life: SimLife): number {
    const pid = ++this.#pid;
    this.lives.set(pid, life);
    life.onEnd(() => this.lives.delete(pid));
    return pid;
  }
}

/** The machine as one of its processes sees it. */
export class SimHost implements Host {
  readonly pid: number;
  readonly name: string;
  readonly #system: SimSystem;
  readonly #life: SimLife;

  constructor(system: SimSystem, life: SimLife, pid = system.newPid(life)) {
    this.#system = system;
    this.#life = life;
    this.name = system.name;
    this.pid = pid;
  }

  start(command: readonly string[], options: ChildOptions = {}): Promise<Child> {
    const [name = ""] = command;
    const program = this.#system.programs.get(name);
    return new Promise((resolve, reject) => {
      this.#system.time.after(START_MS, () =>
        this.#life.run(() => {
          if (program !== undefined) resolve(this.#spawn(program, command, options));
          else if (this.#system.disk.files.isFolder(name)) {
            reject(new CtdbxError("denied", `Cannot start ${name}: it is a folder`));
          } else reject(new CtdbxError("not_found", `Cannot start ${name}: there is none`));
        }));
    });
  }

  alive(pid: number): boolean {
    checkPid(pid);
    return this.#system.lives.has(pid);
  }

  // deno-lint-ignore require-await
  async listen(
    path: string,
    onStream: (stream: Stream) => StreamEvents,
  ): Promise<() => Promise<void>> {
    checkSocketPath(path);
    const { listeners } = this.#system;
    if (listeners.has(path)) {
      throw new CtdbxError("exists", `Cannot listen at ${path}: somebody listens there`);
    }
    const listener: Listener = { life: this.#life, onStream, streams: new Set() };
    listeners.set(path, listener);
    const stop = () => {
      if (listeners.get(path) === listener) listeners.delete(path);
      for (const stream of listener.streams) stream.cut();
      return Promise.resolve();
    };
    this.#life.onEnd(() => void stop());
    return stop;
  }

  async dial(path: string, events: StreamEvents): Promise<Stream> {
    checkSocketPath(path);
    const { time, listeners } = this.#system;
    await new Promise<void>((resolve) => time.after(DIAL_MS, () => this.#life.run(resolve)));
    const listener = listeners.get(path);
    if (listener === undefined) {
      throw new CtdbxError("not_found", `Cannot connect to ${path}: nobody listens`);
    }
    const near = new SimStream(time, this.#life);
    const far = new SimStream(time, listener.life);
    near.peer = far;
    far.peer = near;
    near.events = events;
    listener.streams.add(far);
    listener.life.run(() => far.events = listener.onStream(far));
    return near;
  }

  #spawn(program: SimProgram, words: readonly string[], options: ChildOptions): Child {
    const { time } = this.#system;
    const life = new SimLife(time);
    const pid = this.#system.newPid(life);
    const running = new Running(life, time);
    if (options.detached !== true) this.#life.onEnd(() => running.end(undefined, "SIGKILL"));
    time.after(0, () =>
      life.run(() =>
        program({
          pid,
          words,
          env: options.env ?? {},
          life,
          print: (line) => this.#print(line, options),
          exit: (code) => running.end(code, undefined),
        })
      ));
    return { pid, ended: running.ended, signal: (name) => running.signal(name) };
  }

  #print(line: string, { onLine, logPath }: ChildOptions): void {
    if (onLine !== undefined) this.#system.time.after(0, () => this.#life.run(() => onLine(line)));
    else if (logPath !== undefined) {
      this.#system.disk.files.append(logPath, new TextEncoder().encode(`${line}\n`));
    }
  }
}

/** A process and how it ends. */
class Running {
  readonly ended: Child["ended"];
  readonly #life: SimLife;
  readonly #time: SimTime;
  #settle: (how: Awaited<Child["ended"]>) => void = () => {};
  /** A signal that a stopped process does not hear yet. */
  #pending: string | undefined;

  constructor(life: SimLife, time: SimTime) {
    this.#life = life;
    this.#time = time;
    this.ended = new Promise((resolve) => this.#settle = resolve);
  }

  end(code: number | undefined, signal: string | undefined): void {
    if (this.#life.isOver) return;
    this.#life.end();
    this.#time.after(0, () => this.#settle({ code, signal }));
  }

  signal(name: string): void {
    if (this.#life.isOver) return;
    if (name === "SIGSTOP") return this.#life.pause();
    if (name === "SIGKILL") return this.end(undefined, name);
    if (name !== "SIGCONT") {
      if (!this.#life.isPaused) return this.end(undefined, name);
      this.#pending ??= name;
      return;
    }
    if (this.#pending !== undefined) return this.end(undefined, this.#pending);
    this.#life.resume();
  }
}
