/**
 * Tells the event scripts of addresses, one call after the other, and remembers which address they cannot serve.
 *
 *   set ──▶ takeip ──failed──▶ not offered for UNWILLING_MS          removed ──▶ releaseip       moved ──▶ updateip
 *
 * Does NOT promise: that an address waits for its scripts; it is served, or gone, while they run.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import type { EventEnd } from "../../transport/wire/event_daemon.ts";
import type { Clock, Log } from "../../transport/world.ts";

/** An address whose takeip has failed is not offered for so long, ms. */
export const UNWILLING_MS = 10_000;

/** The events; they are run in the order of the calls. */
export interface AddressScripts {
  takeIp(iface: string, address: string, bits: number): Promise<EventEnd>;
  releaseIp(iface: string, address: string, bits: number): Promise<EventEnd>;
  updateIp(from: string, to: string, address: string, bits: number): Promise<EventEnd>;
}

/** What it needs. */
export interface ScriptCallsParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly scripts?: AddressScripts;
}

/** The calls of one node. */
export class ScriptCalls {
  readonly #parts: ScriptCallsParts;
  /** By address: it is not offered until then. */
  readonly #unwilling = new Map<IpAddress, number>();
  readonly #running = new Set<Promise<void>>();

  constructor(parts: ScriptCallsParts) {
    this.#parts = parts;
  }

  /** Can the scripts serve it, as far as is known? */
  isWilling(address: IpAddress): boolean {
    const untilMs = this.#unwilling.get(address);
    if (untilMs === undefined) return true;
    if (this.#parts.clock.nowMs() < untilMs) return false;
    this.#unwilling.delete(address);
    return true;
  }

  /** Resolves when all calls that have been made until then have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** It is set. */
  taken(iface: string, address: IpAddress, bits: number): void {
    const { scripts } = this.#parts;
    this.#call(() => scripts?.takeIp(iface, address, bits), () => this.#refuse(address));
  }

  /** It is gone. */
  released(iface: string, address: IpAddress, bits: number): void {
    const { scripts, log } = this.#parts;
    this.#call(() => scripts?.releaseIp(iface, address, bits), (end) => {
      // The log has heard of one that has run and failed, and of one that could not be asked for.
      if (end?.outcome !== "refused" && end?.outcome !== "lost") return;
      log.write("warning", `No releaseip for ${address}: ${end.why ?? end.outcome}`);
    });
  }

  /** It stands on another interface. */
  moved(from: string, to: string, address: IpAddress, bits: number): void {
    const { scripts } = this.#parts;
    this.#call(
      () => scripts?.updateIp(from, to, address, bits),
      () => this.#refuse(address),
    );
  }

  #refuse(address: IpAddress): void {
    const { clock, log } = this.#parts;
    this.#unwilling.set(address, clock.nowMs() + UNWILLING_MS);
    log.write("error", `Address ${address} is not offered for a while: its scripts have failed`);
  }

  #call(call: () => Promise<EventEnd> | undefined, onFailed: (end?: EventEnd) => void): void {
    const running = this.#run(call, onFailed).finally(() => void this.#running.delete(running));
    this.#running.add(running);
  }

  /** What fails is in the log by who runs the scripts. One that was called off, as the node ends, has not failed. */
  async #run(
    call: () => Promise<EventEnd> | undefined,
    onFailed: (end?: EventEnd) => void,
  ): Promise<void> {
    try {
      const end = await call();
      if (end !== undefined && end.outcome !== "ok" && end.outcome !== "cancelled") onFailed(end);
    } catch (error) {
      this.#parts.log.write("error", "Event scripts are not told of an address", { error });
      onFailed();
    }
  }
}
