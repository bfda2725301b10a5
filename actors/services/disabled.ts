/**
 * Which checks an operator has disabled, and why: state/services.json, so that it holds after a restart, too.
 *
 *   { "version": 1, "disabled": [{ "name": "web", "why": "maintenance", "wallMs": 1790000000000 }] }
 *
 * Does NOT promise: to know checks; a name that the configuration has no more is dropped at the next change.
 */
import { fitText } from "../../transport/wire/limits.ts";
import type { Disk, Log } from "../../transport/world.ts";

/** A check that is disabled. */
export interface Disabled {
  readonly name: string;
  readonly why?: string;
  /** When, by the wall clock. */
  readonly wallMs: number;
}

const VERSION = 1;

/** The file of one node. */
export class DisabledChecks {
  readonly #disk: Disk;
  readonly #path: string;
  #known = new Map<string, Disabled>();

  /** Reads it; one that cannot be read is said in the log, and no check is disabled then. */
  constructor(disk: Disk, log: Log, stateFolder: string) {
    this.#disk = disk;
    this.#path = `${stateFolder}/services.json`;
    try {
      const bytes = disk.read(this.#path);
      if (bytes !== undefined) this.#known = parsed(new TextDecoder().decode(bytes));
    } catch (error) {
      const path = this.#path;
      log.write("error", "Which checks are disabled cannot be read: none is", { path, error });
    }
  }

  /** Those of them that are among `names`. */
  of(names: Iterable<string>): ReadonlyMap<string, Disabled> {
    const found = [...names].flatMap((name) => {
      const known = this.#known.get(name);
      return known === undefined ? [] : [[name, known] as const];
    });
    return new Map(found);
  }

  /** Writes all that are disabled now; resolves when it is durable. Rejects with what the disk says. */
  async write(disabled: readonly Disabled[]): Promise<void> {
    const text = `${JSON.stringify({ version: VERSION, disabled }, undefined, 2)}\n`;
    await new Promise<void>((resolve, reject) => {
      this.#disk.replace(this.#path, new TextEncoder().encode(text), (error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
    this.#known = new Map(disabled.map((each) => [each.name, each]));
  }
}

function parsed(text: string): Map<string, Disabled> {
  const value: unknown = JSON.parse(text);
  const { version, disabled } = value as { version?: unknown; disabled?: unknown };
  if (version !== VERSION || !Array.isArray(disabled)) {
    throw new SyntaxError(`it is not of version ${VERSION}`);
  }
  return new Map(disabled.map((each: unknown) => {
    const { name, why, wallMs } = each as Record<string, unknown>;
    if (typeof name !== "string") throw new SyntaxError("a check has no name");
    return [name, {
      name,
      ...typeof why === "string" ? { why: fitText(why) } : {},
      wallMs: typeof wallMs === "number" ? wallMs : 0,
    }];
  }));
}
