/**
 * The configuration of a node: what its file may say, and what holds where it says nothing.
 *
 *   cluster = "edge"    name = "n0"    [nats] servers = [...]    [lock] kind = "jetstream"    [log] level = "info"
 *
 * A key that is not known is refused by name: a mistyped one would otherwise be a default in disguise.
 *
 * Does NOT promise: that the servers exist, or that the lock works; the daemon finds out and says so.
 */
import type { LogLevel } from "../transport/world.ts";
import { CtdbxError } from "../transport/wire/errors.ts";

/** How leaders are chosen; see docs/protocol on the lock. */
export type LockConfig =
  | { readonly kind: "jetstream" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "helper"; readonly command: readonly string[] }
  | { readonly kind: "single" };

/** What a node is told. */
export interface NodeConfig {
  /** Name of the cluster in subjects: 1 to 63 of [A-Za-z0-9_-]. */
  readonly cluster: string;
  /** Name of the node for people: 1 to 63 of [A-Za-z0-9._-]. */
  readonly name: string;
  readonly nats: {
    /** Servers to connect to, host:port; the first that answers. */
    readonly servers: readonly string[];
  };
  readonly lock: LockConfig;
  readonly log: { readonly level: LogLevel };
  /** May faults be made on demand? For clusters to try things with. */
  readonly chaos: boolean;
}

/** Most servers that a node is told of. */
export const SERVERS_MAX = 64;

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/**
 * Reads what a configuration file holds. `where` names the file. Throws CtdbxError "config" with the key and what is
 * wrong with it.
 */
export function readNodeConfig(value: unknown, where: string): NodeConfig {
  const root = new Table(value, where, "");
  const nats = root.table("nats");
  const log = root.table("log");
  const config: NodeConfig = {
    cluster: root.text("cluster", /^[A-Za-z0-9_-]{1,63}$/, "1 to 63 of A-Z a-z 0-9 _ -"),
    name: root.text("name", /^[A-Za-z0-9._-]{1,63}$/, "1 to 63 of A-Z a-z 0-9 . _ -"),
    nats: { servers: nats.texts("servers", ["127.0.0.1:4222"], SERVERS_MAX) },
    lock: readLock(root.table("lock")),
    log: { level: log.oneOf("level", LEVELS, "info") },
    chaos: root.flag("chaos", false),
  };
  for (const table of [nats, log, root]) table.end();
  return config;
}

function readLock(table: Table): LockConfig {
  const kind = table.oneOf("kind", ["jetstream", "file", "helper", "single"], "jetstream");
  let lock: LockConfig;
  switch (kind) {
    case "file":
      lock = { kind, path: table.text("path", /^\//, "an absolute path") };
      break;
    case "helper":
      lock = { kind, command: table.texts("command", undefined, 64) };
      break;
    default:
      lock = { kind };
  }
  table.end();
  return lock;
}

/** One table of the file, of which each key is to be read once. */
class Table {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #where: string;
  readonly #prefix: string;
  readonly #known = new Set<string>();

  constructor(value: unknown, where: string, prefix: string) {
    this.#where = where;
    this.#prefix = prefix;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#error(prefix === "" ? "the file" : prefix.slice(0, -1), "must be a table");
    }
    this.#values = new Map(Object.entries(value));
  }

  table(key: string): Table {
    return new Table(this.#take(key) ?? {}, this.#where, `${this.#prefix}${key}.`);
  }

  text(key: string, form: RegExp, said: string): string {
    const value = this.#take(key);
    if (value === undefined) throw this.#error(this.#prefix + key, "is missing");
    if (typeof value === "string" && form.test(value)) return value;
    throw this.#error(this.#prefix + key, `must be ${said}, is ${JSON.stringify(value)}`);
  }

  texts(key: string, byDefault: readonly string[] | undefined, max: number): readonly string[] {
    const value = this.#take(key) ?? byDefault;
    if (value === undefined) throw this.#error(this.#prefix + key, "is missing");
    if (
      Array.isArray(value) && value.length >= 1 && value.length <= max &&
      value.every((part) => typeof part === "string" && part !== "")
    ) return value;
    throw this.#error(this.#prefix + key, `must be an array of 1 to ${max} strings`);
  }

  flag(key: string, byDefault: boolean): boolean {
    const value = this.#take(key) ?? byDefault;
    if (typeof value === "boolean") return value;
    throw this.#error(this.#prefix + key, `must be true or false, is ${JSON.stringify(value)}`);
  }

  oneOf<T extends string>(key: string, names: readonly T[], byDefault: T): T {
    const value = this.#take(key) ?? byDefault;
    const name = names.find((each) => each === value);
    if (name !== undefined) return name;
    throw this.#error(
      this.#prefix + key,
      `must be ${names.join(", ")}, is ${JSON.stringify(value)}`,
    );
  }

  /** Refuses what nobody has asked for. */
  end(): void {
    for (const key of this.#values.keys()) {
      if (this.#known.has(key)) continue;
      const known = [...this.#known].join(", ");
      throw this.#error(this.#prefix + key, `is not known here; known are ${known}`);
    }
  }

  #take(key: string): unknown {
    this.#known.add(key);
    return this.#values.get(key);
  }

  #error(key: string, why: string): CtdbxError {
    return new CtdbxError("config", `Cannot read ${this.#where}: ${key} ${why}`);
  }
}
