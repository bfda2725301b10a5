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

  flag(key: string, byDefault: boolean): boolean {
    const value = this.#take(key) ?? byDefault;
    if (typeof value === "boolean") return value;
    throw this.error(key, `must be true or false, is ${JSON.stringify(value)}`);
  }

  oneOf<T extends string>(key: string, names: readonly T[], byDefault: T): T {
    const value = this.#take(key) ?? byDefault;
    const name = names.find((each) => each === value);
    if (name !== undefined) return name;
    throw this.error(key, `must be ${names.join(", ")}, is ${JSON.stringify(value)}`);
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
