/**
 * Which addresses a daemon may have set, written down before it sets one: for its next life, and for its supervisor.
 *
 *   run/addresses, one address a line ◀── written ── list of the node        then: the list is offered
 *                                     ── read ──▶ next life: removes them at its start
 *                                     ── read ──▶ supervisor of a daemon that has died: removes them, says CLEAR
 *
 * The file is in the folder of this boot: when the machine starts anew its kernel has none of them.
 *
 * Does NOT promise: to be short; an address that was listed once stays in it until the next start.
 */
import type { Interfaces } from "../../transport/interfaces.ts";
import { type IpAddress, parseAddress } from "../../transport/wire/address.ts";
import type { CtdbxError } from "../../transport/wire/errors.ts";
import type { Disk } from "../../transport/world.ts";

/** Name of the file, in the run folder. */
const FILE = "addresses";

/** The file of one node. */
export class Former {
  readonly #disk: Disk;
  readonly #path: string;

  constructor(disk: Disk, runFolder: string) {
    this.#disk = disk;
    this.#path = `${runFolder}/${FILE}`;
  }

  /** What a daemon of this run folder may have set. Throws CtdbxError; SyntaxError where somebody else has written. */
  read(): IpAddress[] {
    const bytes = this.#disk.read(this.#path);
    if (bytes === undefined) return [];
    return new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "")
      .map(parseAddress);
  }

  /** Writes them, and calls `done` when they would be found. */
  write(addresses: Iterable<IpAddress>, done: (error?: CtdbxError) => void): void {
    const text = [...new Set(addresses)].map((address) => `${address}\n`).join("");
    this.#disk.replace(this.#path, new TextEncoder().encode(text), done);
  }
}

/** Removes addresses, whatever their mask and interface. True: none of them is left. Throws CtdbxError. */
export function clearAddresses(interfaces: Interfaces, addresses: readonly IpAddress[]): boolean {
  const wanted = new Set(addresses);
  const left = () => interfaces.addresses().filter(({ address }) => wanted.has(address));
  // The last first: when the first one of a network goes the kernel has to do with all others.
  for (const placed of left().reverse()) interfaces.remove(placed);
  return left().length === 0;
}
