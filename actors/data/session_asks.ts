/**
 * The rare questions of a program: JSON, each with its answer.
 *
 *   attach  detach  databases  where  pin  hot  stats  listen  unlisten  exists  procedure  unprocedure  watch  unwatch
 *   lock (session_locks.ts)    resource (session_resources.ts)    fate  snapshot  unsnapshot  commits (session_tx.ts)
 *
 * Arguments are looked at before anything is done; keys are texts of one character U+0000 .. U+00FF for each byte.
 *
 * Does NOT promise: order of answers.
 */
import { FRAME } from "../../transport/wire/client/frames.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import { KEY_MAX, VOLATILE_HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import { COPIES_MAX, DATABASE_KINDS } from "../../transport/wire/messages/document.ts";
import type { DbCfg } from "../../transport/wire/messages/document.ts";
import { PROCEDURE_NAME_MAX } from "../../transport/wire/messages/record_parts.ts";
import type { Version } from "../../transport/wire/terms.ts";
import { attachedOf } from "./settings.ts";
import type { AttachOptions, DatabaseHost } from "./types.ts";
import type { Session } from "./session.ts";
import { lockAsk } from "./session_locks.ts";
import { OfferedCode } from "./session_code.ts";
import { SessionResources } from "./session_resources.ts";
import { SessionWatch } from "./session_watch.ts";
import { timeOf } from "./session_words.ts";

/** Questions of one program that have no answer yet. */
const ASKS_MAX = 1024;
/** Procedures that one program offers. */
const PROCEDURES_MAX = 1024;
/** Records and prefixes that one program watches. */
const WATCHES_MAX = 1024;
/** A name of a procedure, with its version; both together have PROCEDURE_NAME_MAX characters at most. */
const PROCEDURE = /^[A-Za-z0-9_.-]+\/[0-9]{1,9}$/;
const SWITCHES = ["auto", "on", "off"] as const;

type Args = Readonly<Record<string, unknown>>;

/** One program's. */
export class SessionAsks {
  readonly #session: Session;
  readonly #procedures = new Map<string, () => void>();
  readonly #watches = new Map<number, SessionWatch>();
  readonly #resources: SessionResources;
  #asking = 0;

  constructor(session: Session) {
    this.#session = session;
    this.#resources = new SessionResources(session);
  }

  /** Takes a question and sees that it is answered. */
  take(id: number, args: Args): void {
    const session = this.#session;
    if (this.#asking >= ASKS_MAX) {
      return session.failed(id, new CtdbxError("limit", `Cannot ask: ASKS_MAX is ${ASKS_MAX}`));
    }
    this.#asking += 1;
    void this.#answer(id, args).finally(() => this.#asking -= 1);
  }

  /** The program has gone. */
  end(): void {
    for (const end of this.#procedures.values()) end();
    for (const watch of this.#watches.values()) watch.end();
    this.#resources.end();
    this.#procedures.clear();
    this.#watches.clear();
  }

  async #answer(id: number, args: Args): Promise<void> {
    const session = this.#session;
    try {
      const answer = await this.#do(args);
      if (session.isClosed) return;
      session.writer.json(FRAME.ok, id, answer ?? {});
      session.sent();
    } catch (error) {
      if (!session.isClosed) session.failed(id, error);
    }
  }

  #do(args: Args): unknown {
    const { messages, parts: { host } } = this.#session;
    switch (args["do"]) {
      case "attach":
        return this.#attach(args);
      case "detach":
        return this.#session.refs.drop(number(args, "ref", 0xffff));
      case "databases":
        return { databases: host.databases() };
      case "where":
        return this.#database(args).where(key(args, "key"));
      case "pin":
        return this.#pin(args);
      case "hot":
        return { hot: this.#database(args).hot() };
      case "stats":
        return this.#database(args).stats();
      case "listen":
        return messages.listen(srvid(args));
      case "unlisten":
        return messages.unlisten(srvid(args));
      case "exists":
        return this.#exists(args);
      case "procedure":
        return this.#procedure(args);
      case "unprocedure": {
        const name = text(args, "name");
        this.#procedures.get(name)?.();
        return void this.#procedures.delete(name);
      }
      case "lock":
        return lockAsk(this.#session, args);
      case "resource":
        return this.#resources.ask(args);
      case "watch":
        return this.#watch(args);
      case "unwatch": {
        const number_ = number(args, "watch", 0xffff_ffff);
        this.#watches.get(number_)?.end();
        return void this.#watches.delete(number_);
      }
      case "go": {
        const watch = this.#watches.get(number(args, "watch", 0xffff_ffff));
        return void watch?.go(number(args, "count", 0xffff_ffff));
      }
    }
    const answer = this.#session.txns.ask(args);
    if (answer !== undefined) return answer;
    throw new CtdbxError("unsupported", `Cannot do ${JSON.stringify(args["do"])}: no such thing`);
  }

  #pin(args: Args): void {
    const forMs = number(args, "forMs", 0xffff_ffff);
    const untilMs = forMs === 0 ? 0 : this.#session.parts.clock.nowMs() + forMs;
    this.#database(args).pin(key(args, "key"), untilMs);
  }

  #database(args: Args): DatabaseHost {
    const found = this.#session.refs.at(number(args, "ref", 0xffff));
    if (typeof found !== "string") return found;
    const space = found.indexOf(" ");
    const code = found.slice(0, space) as ErrorCode;
    throw new CtdbxError(code, `Cannot use the database: ${found.slice(space + 1)}`);
  }

  async #attach(args: Args): Promise<Record<string, unknown>> {
    const { refs, parts: { host, clock } } = this.#session;
    const ref = number(args, "ref", 0xffff);
    const name = text(args, "name");
    const deadlineMs = clock.nowMs() + timeOf(number(args, "timeoutMs", 0xffff_ffff));
    // Entered first: a database that comes and goes meanwhile is told.
    const before = args["attached"] === undefined ? undefined : wide(args, "attached") as Version;
    const known = refs.begin(ref, name, before);
    try {
      const found = host.database(name) ?? await host.attach(name, attachOptions(args), deadlineMs);
      const { cfg, since, path } = refs.come(ref, known, found);
      const { dbId, kind } = cfg;
      return { ref, name, dbId, kind, since, path, attached: attachedOf(cfg) };
    } catch (error) {
      refs.drop(ref, known);
      throw error;
    }
  }

  #exists(args: Args): Promise<Record<string, unknown>> {
    const pnn = args["pnn"] === undefined ? undefined : number(args, "pnn", 0xffff_ffff);
    const look = {
      ...args["pid"] === undefined ? {} : { pid: number(args, "pid", 0xffff_ffff) },
      ...args["srvid"] === undefined ? {} : { srvid: srvid(args) },
    };
    return this.#session.messages.count(pnn, look, timeOf(number(args, "timeoutMs", 0xffff_ffff)));
  }

  async #procedure(args: Args): Promise<void> {
    const name = text(args, "name");
    if (!PROCEDURE.test(name) || name.length > PROCEDURE_NAME_MAX) {
      throw wrong(args, "name", `NAME/VERSION, ${PROCEDURE_NAME_MAX} characters at most`);
    }
    if (this.#procedures.has(name)) {
      throw new CtdbxError("exists", `Cannot offer ${name}: this program does so already`);
    }
    if (this.#procedures.size >= PROCEDURES_MAX) {
      throw new CtdbxError("limit", `Cannot offer ${name}: PROCEDURES_MAX is ${PROCEDURES_MAX}`);
    }
    const limitMs = timeOf(number(args, "limitMs", 0xffff_ffff));
    const { messages: { program }, parts } = this.#session;
    const code = args["code"] === undefined
      ? undefined
      : new OfferedCode(parts.host.messages, program, name, text(args, "code"));
    const stop = parts.offer(name, this.#session, limitMs);
    const end = () => {
      stop();
      code?.end();
    };
    this.#procedures.set(name, end);
    try {
      await code?.begin(parts.host.node.nodes, args["isSure"] === true);
    } catch (error) {
      if (this.#procedures.get(name) === end) this.#procedures.delete(name);
      stop();
      throw error;
    }
  }

  async #watch(args: Args): Promise<void> {
    const id = number(args, "watch", 0xffff_ffff);
    if (this.#watches.has(id)) throw wrong(args, "watch", "a new number");
    if (this.#watches.size >= WATCHES_MAX) {
      throw new CtdbxError("limit", `Cannot watch: WATCHES_MAX is ${WATCHES_MAX}`);
    }
    const wish = args["prefix"] === undefined
      ? { key: key(args, "key") }
      : { prefix: key(args, "prefix") };
    const count = number(args, "count", 0xffff_ffff);
    const watch = new SessionWatch(this.#session, id, count, () => this.#watches.delete(id));
    this.#watches.set(id, watch);
    try {
      await watch.start(this.#database(args), wish);
    } catch (error) {
      this.#watches.delete(id);
      throw error;
    }
  }
}

function attachOptions(args: Args): AttachOptions {
  const { create, hashSize, readonly, sticky, kind, replicas } = args;
  if (create !== undefined && typeof create !== "boolean") throw wrong(args, "create", "a boolean");
  return {
    create: create !== false,
    ...hashSize === undefined
      ? {}
      : { hashSize: Math.max(1, number(args, "hashSize", VOLATILE_HASH_SIZE_MAX)) },
    ...readonly === undefined ? {} : { readonly: switchOf(args, "readonly") },
    ...sticky === undefined ? {} : { sticky: switchOf(args, "sticky") },
    ...kind === undefined ? {} : { kind: kindOf(args) },
    ...replicas === undefined
      ? {}
      : { replicas: Math.max(1, number(args, "replicas", COPIES_MAX)) },
  };
}

function kindOf(args: Args): DbCfg["kind"] {
  const found = DATABASE_KINDS.find((each) => each === args["kind"]);
  if (found === undefined) throw wrong(args, "kind", DATABASE_KINDS.join(", "));
  return found;
}

function switchOf(args: Args, name: string): typeof SWITCHES[number] {
  const found = SWITCHES.find((each) => each === args[name]);
  if (found === undefined) throw wrong(args, name, "auto, on or off");
  return found;
}

function wrong(args: Args, name: string, form: string): CtdbxError {
  const is = JSON.stringify(args[name] ?? null).slice(0, 100);
  return new CtdbxError("state", `Cannot take the question: ${name} must be ${form}, is ${is}`);
}

function number(args: Args, name: string, max: number): number {
  const value = args[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) {
    return value;
  }
  throw wrong(args, name, `an integer from 0 to ${max}`);
}

function text(args: Args, name: string): string {
  const value = args[name];
  if (typeof value === "string" && value !== "") return value;
  throw wrong(args, name, "a text");
}

function key(args: Args, name: string): string {
  const value = args[name];
  // deno-lint-ignore no-control-regex
  if (typeof value === "string" && value.length <= KEY_MAX && /^[\u0000-\u00ff]*$/.test(value)) {
    return value;
  }
  throw wrong(args, name, "a character U+0000 .. U+00FF for each byte");
}

function srvid(args: Args): bigint {
  return wide(args, "srvid");
}

function wide(args: Args, name: string): bigint {
  const value = args[name];
  if (typeof value === "string" && /^[0-9]{1,20}$/.test(value)) {
    const found = BigInt(value);
    if (found < 2n ** 64n) return found;
  }
  throw wrong(args, name, "the digits of a u64");
}
