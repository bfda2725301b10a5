/**
 * Real servers and real buses for live tests.
 *
 * Does NOT promise: that the folder of a server outlives the test.
 */

import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BusOptions, RealBus } from "../../transport/real_bus.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { RealHost } from "../../transport/real_host.ts";
import {
  type NatsServer,
  type NatsStart,
  startNatsServer,
} from "../../transport/real_nats_server.ts";
import type { Bus, BusStatus, Log } from "../../transport/world.ts";
import { tool } from "../tools.ts";
import { Proxy } from "./proxy.ts";

/** A log that keeps its lines, "level text {fields}". */
export class KeptLog implements Log {
  readonly lines: string[] = [];

  write(level: string, text: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const shown = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
    this.lines.push([level, text, ...shown].join(" "));
  }
}

/** What one test file starts; `end` stops all of it. */
export class NatsRig {
  readonly clock = new RealClock();
  readonly host = new RealHost();
  readonly disk = new RealDisk();
  readonly log = new KeptLog();
  readonly #folder = mkdtempSync(join(tmpdir(), "ctdbx-nats-"));
  readonly #ends: (() => Promise<void>)[] = [];
  #count = 0;

  /** Starts a server on free ports, unless told; its folder stays for a server of the same name. */
  async server(options: Partial<NatsStart> = {}): Promise<NatsServer> {
    const name = options.name ?? `s${++this.#count}`;
    const server = await startNatsServer(this, {
      program: tool("nats-server"),
      folder: join(this.#folder, name),
      client: { port: 0 },
      ...options,
      name,
    });
    this.#ends.push(() => server.stop());
    return server;
  }

  /** The folder of a server of this name. */
  folder(name: string): string {
    return join(this.#folder, name);
  }

  /** A path for JetStream. */
  store(name: string): string {
    return join(this.#folder, "store", name);
  }

  /** A proxy to a port of this machine. */
  async proxy(port: number): Promise<Proxy> {
    const proxy = await Proxy.to(port);
    this.#ends.push(() => proxy.close());
    return proxy;
  }

  /** A bus that dials these servers. */
  dial(servers: readonly string[], more: Partial<BusOptions> = {}): RealBus {
    const { clock, log } = this;
    const bus = new RealBus({ servers, name: "test", clock, dice: new RealDice(), log, ...more });
    this.#ends.push(() => bus.close());
    return bus;
  }

  /** The same, connected. */
  async bus(...servers: string[]): Promise<RealBus> {
    const bus = this.dial(servers);
    await until(bus, "connected");
    return bus;
  }

  /** Closes buses and stops servers, the newest first. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Below what the kernel gives to connections and to listeners that take any port: those would take ours again. */
const PORTS = { from: 10_000, count: 22_000 } as const;

/** Different ports that nobody listens on, as of now. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = PORTS.from + randomInt(PORTS.count);
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Three servers with JetStream that form a cluster and take leaf nodes. */
export async function startTrio(rig: NatsRig): Promise<[NatsServer, NatsServer, NatsServer]> {
  const ports = await freePorts(3);
  const routes = ports.map((port) => `127.0.0.1:${port}`);
  const start = (index: number) =>
    rig.server({
      name: `c${index}`,
      storeFolder: rig.store(`c${index}`),
      cluster: { name: "trio", port: ports[index] ?? 0, routes },
      leafListen: { port: 0 },
    });
  return await Promise.all([start(0), start(1), start(2)]);
}

/** Resolves when the bus has this status. */
export function until(bus: Bus, wanted: BusStatus): Promise<void> {
  if (bus.status === wanted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = bus.watch((status) => {
      if (status !== wanted) return;
      end();
      resolve();
    });
  });
}
