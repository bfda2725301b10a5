/**
 * The real world of one thread, put together.
 *
 * Does NOT promise: that NATS is there: the bus starts disconnected, dials for ever and says why in the log.
 */
import { openLibc } from "./ffi.ts";
import { type BusOptions, RealBus } from "./real_bus.ts";
import { RealClock } from "./real_clock.ts";
import { RealDice } from "./real_dice.ts";
import { RealDisk } from "./real_disk.ts";
import { RealHost } from "./real_host.ts";
import { RealImageStore } from "./real_image.ts";
import { RealFileSync } from "./real_file_sync.ts";
import { type LogOptions, RealLog } from "./real_log.ts";
import type { World } from "./world.ts";

/** What a world is made of. */
export interface RealWorldOptions {
  readonly bus: Omit<BusOptions, "clock" | "dice" | "log">;
  readonly log?: Omit<LogOptions, "clock">;
}

/** A world whose parts say more than the ports do. */
export interface RealWorld extends World {
  readonly bus: RealBus;
  readonly log: RealLog;
  /** Closes the bus, then the log. */
  close(): Promise<void>;
}

/** Makes the world of this thread; `images` reserve 4 GiB of addresses once they are asked for. */
export function realWorld(options: RealWorldOptions): RealWorld {
  const libc = openLibc();
  const clock = new RealClock(libc);
  const dice = new RealDice();
  const log = new RealLog({ ...options.log, clock });
  const bus = new RealBus({ ...options.bus, clock, dice, log });
  let images: RealImageStore | undefined;
  return {
    bus,
    clock,
    dice,
    log,
    disk: new RealDisk(),
    syncs: new RealFileSync(),
    host: new RealHost(libc),
    get images() {
      return images ??= new RealImageStore({ libc });
    },
    close: async () => {
      await bus.close();
      log.close();
    },
  };
}
