/**
 * A table of a configuration file, read key by key: what has another form, or is not known, is refused by name.
 *
 * Does NOT promise: that what is configured exists.
 */
import { CtdbxError } from "../transport/wire/errors.ts";

/** One table of a file, of which each key is to be read once. Its methods throw CtdbxError "config". */
export class ConfigTable {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #where: string;
  readonly #prefix: string;
  readonly #known = new Set<string>();

  constructor(value: unknown, where: string, prefix: string) {
    this.#where = where;
    this.#prefix = prefix;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new CtdbxError(
        "config",
        `Cannot read ${where}: ${prefix === "" ? "the file" : prefix.slice(0, -1)} must be a table`,
      );
    }
    this.#values = new Map(Object.entries(value));
  }

  /** A table in it; an empty one when it is not there. */
  table(key: string): ConfigTable {
    return new ConfigTable(this.#take(key) ?? {}, this.#where, `${this.#prefix}${key}.`);
  }

  text(key: string, form: RegExp, said: string): string {
    const value = this.#take(key);
    if (value === undefined) throw this.error(key, "is missing");
    if (typeof value === "string" && form.test(value)) return value;
    throw this.error(key, `must be ${said}, is ${JSON.stringify(value)}`);
  }

  /** A table that may be missing. */
  maybeTable(key: string): ConfigTable | undefined {
    const value = this.#take(key);
    return value === undefined ? undefined : this.table(key);
  }

  /** A text that may be missing. */
  maybeText(key: string, form: RegExp, said: string): string | undefined {
    return this.#take(key) === undefined ? undefined : this.text(key, form, said);
  }

  texts(key: string, byDefault: readonly string[] | undefined, max: number): readonly string[] {
    const value = this.#take(key) ?? byDefault;
    if (value === undefined) throw this.error(key, "is missing");
    if (
      Array.isArray(value) && value.length >= 1 && value.length <= max &&
      value.every((part) => typeof part === "string" && part !== "")
    ) return value;
    throw this.error(key, `must be an array of 1 to ${max} strings`);
  }

  /** Texts that may be missing. */
  maybeTexts(key: string, max: number): readonly string[] | undefined {
    return this.#take(key) === undefined ? undefined : this.texts(key, undefined, max);
  }

  /**
   * The tables of an array, `[[key]]`, at most `max`; none when it is missing. Each is called by its name in what is
   * said of it, `key.NAME`, and by its place, `key[1]`, where it has no name to go by.
   */
  tables(key: string, max: number): readonly ConfigTable[] {
    const value = this.#take(key);
    if (value === undefined) return [];
    if (!Array.isArray(value) || value.length > max) {
      throw this.error(key, `must be an array of up to ${max} tables: [[${key}]]`);
    }
    return value.map((each: unknown, at) => {
      const { name } = typeof each === "object" && each !== null ? each as { name?: unknown } : {};
      const isNamed = typeof name === "string" && /^[\w.-]{1,63}$/.test(name);
      const place = isNamed ? `${key}.${name}` : `${key}[${at + 1}]`;
      return new ConfigTable(each, this.#where, `${this.#prefix}${place}.`);
    });
  }

  /** A whole number of a range. */
  int(key: string, byDefault: number | undefined, min: number, max: number): number {
    const value = this.#take(key) ?? byDefault;
    if (value === undefined) throw this.error(key, "is missing");
    if (Number.isSafeInteger(value) && min <= Number(value) && Number(value) <= max) {
      return Number(value);
    }
    throw this.error(
      key,
      `must be a whole number from ${min} to ${max}, is ${JSON.stringify(value)}`,
    );
  }

  /** A time such as "500ms", "10s", "5m" or "1h", of a range; milliseconds. */
  span(key: string, byDefaultMs: number, minMs: number, maxMs: number): number {
    const value = this.#take(key);
    if (value === undefined) return byDefaultMs;
    const match = typeof value === "string" ? /^(\d{1,9})(ms|s|m|h)$/.exec(value) : null;
    const spanMs = match === null ? NaN : Number(match[1]) * (UNITS_MS[match[2] ?? ""] ?? NaN);
    if (minMs <= spanMs && spanMs <= maxMs) return spanMs;
    const range = `${spanWords(minMs)} to ${spanWords(maxMs)}`;
    throw this.error(
      key,
      `must be a time from ${range}, as "500ms", "10s", "5m", "1h", is ${JSON.stringify(value)}`,
    );
  }

  flag(key: string, byDefault: boolean): boolean {
    const value = this.#take(key) ?? byDefault;
    if (typeof value === "boolean") return value;
    throw this.error(key, `must be true or false, is ${JSON.stringify(value)}`);
  }

  /** Without a default it may not be missing. */
  oneOf<T extends string>(key: string, names: readonly T[], byDefault: T | undefined): T {
    const value = this.#take(key) ?? byDefault;
    if (value === undefined) {
      throw this.error(key, `is missing; it must be ${names.join(", ")}`);
    }
    const name = names.find((each) => each === value);
    if (name !== undefined) return name;
    throw this.error(key, `must be ${names.join(", ")}, is ${JSON.stringify(value)}`);
  }

  /** Is there anything of this name? It is not read by that. */
  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** A table of texts by names of a form, which may be missing. */
  pairs(key: string, form: RegExp, max: number): Readonly<Record<string, string>> | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    const pairs = typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value)
      : undefined;
    if (pairs === undefined || pairs.length > max) {
      throw this.error(key, `must be a table of up to ${max} texts`);
    }
    for (const [name, text] of pairs) {
      if (!form.test(name)) throw this.error(key, `cannot have a name ${JSON.stringify(name)}`);
      if (typeof text !== "string" || !/^[^\0\r\n]{0,4096}$/.test(text)) {
        throw this.error(`${key}.${name}`, "must be a text of one line");
      }
    }
    return Object.fromEntries(pairs);
  }

  /** Refuses what nobody has asked for. */
  end(): void {
    for (const key of this.#values.keys()) {
      if (this.#known.has(key)) continue;
      const known = [...this.#known].join(", ");
      throw this.error(key, `is not known here; known are ${known}`);
    }
  }

  #take(key: string): unknown {
    this.#known.add(key);
    return this.#values.get(key);
  }

  /** What is wrong with a key of it. */
  error(key: string, why: string): CtdbxError {
    return new CtdbxError("config", `Cannot read ${this.#where}: ${this.#prefix}${key} ${why}`);
  }
}

/** Milliseconds of a unit of time. */
const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A time as a configuration says it. */
export function spanWords(spanMs: number): string {
  const unit = ["h", "m", "s"].find((each) => spanMs > 0 && spanMs % (UNITS_MS[each] ?? 1) === 0);
  return unit === undefined ? `${spanMs}ms` : `${spanMs / (UNITS_MS[unit] ?? 1)}${unit}`;
}
