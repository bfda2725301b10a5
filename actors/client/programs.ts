/**
 * Procedures that a program offers, and classes whose objects are records.
 *
 *   run { procedure, value, args } ─▶ code of the program ─▶ ran { new value, result } | refusal
 *
 * An actor's procedure is "CLASS/VERSION"; its arguments are CBOR: [method, [arguments]]; its record holds the fields.
 *
 * Does NOT promise: that a run counts; the node may have given up waiting for it.
 */
import { readRun, writeRan } from "../../transport/wire/client/bodies.ts";
import type { RanBody } from "../../transport/wire/client/bodies.ts";
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { PROCEDURE_NAME_MAX } from "../../transport/wire/messages/record_parts.ts";
import { ValueCodec } from "../../transport/wire/client/value_codec.ts";
import type { ClientCore } from "./core.ts";
import { NO_BYTES, valueBytes, valueOrNone } from "./ops.ts";
import type {
  ActorClass,
  ActorOptions,
  ActorProxy,
  Database,
  KeyLike,
  ProcedureCode,
  ProcedureOptions,
  Proceeded,
  Registration,
} from "./types.ts";
import { KEEP } from "./types.ts";

/** A run that takes longer is given up by the node, ms. */
const LIMIT_MS = 1000;
/** The database of actors that name none. */
const ACTORS = "actors";
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const VERSION_MAX = 999_999_999;

interface Offered {
  readonly name: string;
  readonly run: ProcedureCode;
  readonly limitMs: number;
  /** What tells its code from others; undefined: nothing is known of the runtime. */
  readonly code?: string;
}

/** The question by which something is offered. */
function askOf({ name, limitMs, code }: Offered): Record<string, unknown> {
  return { do: "procedure", name, limitMs, ...code === undefined ? {} : { code } };
}

/** A text in 64 bits, as hex: two FNV-1a hashes of 32 bits, one of them backwards. */
export function textHash(text: string): string {
  let [one, other] = [0x811c_9dc5, 0x811c_9dc5];
  for (let at = 0, back = text.length - 1; at < text.length; at++, back--) {
    one = Math.imul(one ^ text.charCodeAt(at), 0x0100_0193);
    other = Math.imul(other ^ text.charCodeAt(back), 0x0100_0193);
  }
  return [one, other].map((hash) => (hash >>> 0).toString(16).padStart(8, "0")).join("");
}

/** All that a program offers. */
export class Programs {
  readonly #core: ClientCore;
  readonly #offered = new Map<string, Offered>();
  readonly #classes = new Map<
    string,
    { readonly kind: unknown; readonly offered: Promise<void> }
  >();
  readonly #codec = new ValueCodec();
  #connection = 0;

  readonly #runtime: string | undefined;

  /** `runtime`: which, and its version, without blanks within either; undefined: code is not compared. */
  constructor(core: ClientCore, runtime?: string) {
    this.#core = core;
    this.#runtime = runtime;
  }

  /** Offers a procedure; see Cluster.procedure(). */
  async procedure(
    name: string,
    version: number,
    run: ProcedureCode,
    { timeoutMs: limitMs = LIMIT_MS, code }: ProcedureOptions = {},
  ): Promise<Registration> {
    if (typeof name !== "string" || !NAME.test(name)) {
      throw new SyntaxError(`Cannot offer "${name}": A-Z a-z 0-9 _ . - only`);
    }
    if (!Number.isInteger(version) || version < 0 || version > VERSION_MAX) {
      throw new RangeError(
        `Cannot offer ${name}: a version is 0 to ${VERSION_MAX}, not ${version}`,
      );
    }
    if (typeof run !== "function") {
      throw new TypeError(`Cannot offer ${name}: its code must be a function, is ${typeof run}`);
    }
    return await this.#offer(name, version, { run, limitMs, ...this.#codeOf(code, run) });
  }

  async #offer(
    name: string,
    version: number,
    what: Omit<Offered, "name">,
  ): Promise<Registration> {
    const offered: Offered = { name: `${name}/${version}`, ...what };
    if (offered.name.length > PROCEDURE_NAME_MAX) {
      const text = `its name and version have ${PROCEDURE_NAME_MAX} characters at most`;
      throw new RangeError(`Cannot offer ${offered.name}: ${text}`);
    }
    if (this.#offered.has(offered.name)) {
      throw new CtdbxError("exists", `Cannot offer ${offered.name}: this program does so already`);
    }
    this.#offered.set(offered.name, offered);
    try {
      await this.#core.ask(askOf(offered));
    } catch (error) {
      this.#offered.delete(offered.name);
      throw error;
    }
    const close = () => this.#close(offered);
    return { name: offered.name, close, [Symbol.asyncDispose]: close };
  }

  async #close(offered: Offered): Promise<void> {
    if (this.#offered.get(offered.name) !== offered) return;
    this.#offered.delete(offered.name);
    if (!this.#core.line.isUp) return;
    try {
      await this.#core.ask({ do: "unprocedure", name: offered.name });
    } catch (error) {
      // With its connection goes all that a program offers.
      if (!(error instanceof CtdbxError) || error.code !== "unknown") throw error;
    }
  }

  /** Offers all again on another connection. */
  async restore(untilMs: number): Promise<void> {
    this.#connection += 1;
    for (const offered of this.#offered.values()) {
      // It was compared when it came.
      await this.#core.line.ask({ ...askOf(offered), isSure: true }, untilMs);
    }
  }

  /** What tells code from other code: what the program says itself, for all runtimes, or its text, for this one. */
  #codeOf(said: string | undefined, code: { toString(): string }): { readonly code?: string } {
    const kind = said === undefined ? this.#runtime : "said";
    return kind === undefined ? {} : { code: `${kind} ${textHash(said ?? code.toString())}` };
  }

  /** The node wants a run. */
  run(id: number, body: FrameBody): void {
    const { key, procedure, data, args } = readRun(body);
    const connection = this.#connection;
    const tell = (ran: RanBody) => {
      // Numbers begin anew on another connection.
      if (connection !== this.#connection) return;
      this.#core.line.tell((writer) => writeRan(writer, id, ran));
    };
    const offered = this.#offered.get(procedure);
    if (offered === undefined) return tell({ ok: false, why: "the program does not offer it" });
    void ranOf(offered, key.slice(), data.slice(), args.slice()).then(tell);
  }

  /** A record as an object; see Cluster.actor(). */
  actor<State extends object>(
    kind: ActorClass<State>,
    key: KeyLike,
    attach: (name: string) => Promise<Database>,
    { database = ACTORS, ...options }: ActorOptions = {},
  ): ActorProxy<State> {
    const name = `${kind.name}/${kind.version ?? 1}`;
    const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
      const bytes = this.#codec.encode([method, args]);
      await this.#offerClass(kind);
      const db = await attach(database);
      const result = await db.call(key, name, bytes, options);
      return result.length === 0 ? undefined : this.#codec.decode(result);
    };
    const methods = new Map<string, (...args: unknown[]) => Promise<unknown>>();
    return new Proxy({} as ActorProxy<State>, {
      get: (_target, method) => {
        if (typeof method !== "string" || methodOf(kind.prototype, method) === undefined) {
          return undefined;
        }
        const known = methods.get(method) ?? ((...args) => call(method, args));
        methods.set(method, known);
        return known;
      },
      has: (_target, method) =>
        typeof method === "string" && methodOf(kind.prototype, method) !== undefined,
    });
  }

  #offerClass<State extends object>(kind: ActorClass<State>): Promise<void> {
    const name = `${kind.name}/${kind.version ?? 1}`;
    const known = this.#classes.get(name);
    if (known !== undefined) {
      if (known.kind === kind) return known.offered;
      throw new CtdbxError("exists", `Cannot use class ${name}: another has this name and version`);
    }
    const run: ProcedureCode = (value, args) => this.#runMethod(kind, value, args);
    const code = this.#codeOf(kind.code, kind);
    const offered = this.#offer(kind.name, kind.version ?? 1, { run, limitMs: LIMIT_MS, ...code })
      .then(() => {});
    this.#classes.set(name, { kind, offered });
    offered.catch(() => this.#classes.delete(name));
    return offered;
  }

  async #runMethod<State extends object>(
    kind: ActorClass<State>,
    value: Uint8Array | undefined,
    args: Uint8Array,
  ): Promise<Proceeded> {
    const asked = this.#codec.decode(args);
    const [name, parameters] = Array.isArray(asked) ? asked : [];
    const method = methodOf(kind.prototype, name);
    if (method === undefined || !Array.isArray(parameters)) {
      throw new CtdbxError("unsupported", `class ${kind.name} has no method ${String(name)}`);
    }
    const state = new kind();
    if (value !== undefined) fill(state, this.#codec.decode(value));
    const result: unknown = await method.apply(state, parameters);
    const bytes = this.#codec.encode({ ...state });
    const isSame = value !== undefined && isEqual(bytes, value);
    return {
      value: isSame ? KEEP : bytes,
      result: result === undefined ? NO_BYTES : this.#codec.encode(result),
    };
  }
}

async function ranOf(
  { run }: Offered,
  key: Uint8Array,
  data: Uint8Array,
  args: Uint8Array,
): Promise<RanBody> {
  try {
    const made = await run(valueOrNone(data), args, key);
    if (typeof made !== "object" || made === null) {
      const is = made === null ? "null" : typeof made;
      throw new TypeError(`the procedure must answer an object { value, result }, not ${is}`);
    }
    const isKept = !("value" in made) || made.value === KEEP;
    return {
      ok: true,
      data: isKept ? undefined : valueBytes(made.value as Exclude<typeof made.value, typeof KEEP>),
      result: valueBytes(made.result),
    };
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
}

/** A method of a class, or of those that it extends; nothing of Object. */
function methodOf(
  prototype: object,
  name: unknown,
): ((...args: unknown[]) => unknown) | undefined {
  if (typeof name !== "string" || name === "constructor") return undefined;
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at)) {
    if (at === Object.prototype) return undefined;
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found !== undefined) return typeof found.value === "function" ? found.value : undefined;
  }
  return undefined;
}

function fill(state: object, fields: unknown): void {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new CtdbxError("state", "the record holds no object");
  }
  for (const [name, value] of Object.entries(fields)) {
    Object.defineProperty(state, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
