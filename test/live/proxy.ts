/**
 * A TCP proxy for tests that cut a connection, or let it hang, without touching the server.
 *
 * Does NOT promise: the kernel's behaviour of a real cable; a cut is a reset, a hang is silence with full sockets.
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** Which way a hang goes: "in": who has connected hears nothing; "out": is not heard. */
export type HangWay = "both" | "in" | "out";

/** Passes everything on to one port until told otherwise. */
export class Proxy {
  readonly #server: Server;
  readonly #target: number;
  readonly #pairs = new Set<[Socket, Socket]>();
  readonly #watchers = new Set<() => void>();
  #accepted = 0;
  #isCut = false;
  #hangs: HangWay | undefined;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#accept(near));
  }

  /** A proxy to a port of this machine, on a free port. */
  static async to(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when so many connections have been accepted in all. */
  accepted(count: number): Promise<void> {
    if (this.#accepted >= count) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (this.#accepted < count) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
    });
  }

  /** Ends what is open, and whatever comes, at once. */
  cut(): void {
    this.#isCut = true;
    for (const pair of [...this.#pairs]) end(pair);
  }

  /** Nothing passes any more, in either direction or in one; connections are still accepted. */
  hang(way: HangWay = "both"): void {
    this.#hangs = way;
    for (const pair of this.#pairs) this.#pause(pair);
  }

  #pause([near, far]: [Socket, Socket]): void {
    if (this.#stops("out")) near.pause();
    if (this.#stops("in")) far.pause();
  }

  #stops(way: "in" | "out"): boolean {
    return this.#hangs === "both" || this.#hangs === way;
  }

  /** All is as it was at first. What hung goes on. */
  heal(): void {
    this.#isCut = false;
    this.#hangs = undefined;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket): void {
    near.on("error", () => {});
    this.#accepted += 1;
    for (const look of [...this.#watchers]) look();
    if (this.#isCut) {
      near.destroy();
      return;
    }
    const far = connect(this.#target, "127.0.0.1");
    const pair: [Socket, Socket] = [near, far];
    this.#pairs.add(pair);
    far.on("error", () => {});
    near.on("data", (bytes) => pass(bytes, near, far, () => this.#stops("out")));
    far.on("data", (bytes) => pass(bytes, far, near, () => this.#stops("in")));
    for (const socket of pair) {
      socket.on("close", () => {
        this.#pairs.delete(pair);
        end(pair);
      });
    }
    this.#pause(pair);
  }
}

/** Hands bytes on, no faster than they are taken: a reader that stops is felt by the writer. */
function pass(bytes: Uint8Array, from: Socket, to: Socket, hangs: () => boolean): void {
  if (to.destroyed || to.write(bytes)) return;
  from.pause();
  to.once("drain", () => {
    if (!hangs()) from.resume();
  });
}

function end(pair: [Socket, Socket]): void {
  for (const socket of pair) socket.destroy();
}
