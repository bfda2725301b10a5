/**
 * Asks a daemon on its socket, again and again, whether it still answers.
 *
 *   every 5 s: dial, "node ping", answer within 5 s? ── no answer for HUNG_MS ──▶ onHung, once
 *
 * Does NOT promise: that a daemon that answers does its work; its peers see that.
 */
import type { Clock, Host, Stream } from "../transport/world.ts";
import { encodeLine } from "./control.ts";

/** A daemon without an answer for so long hangs, ms. Much longer than the others wait for it. */
export const HUNG_MS = 30_000;
/** How often it is asked, ms: a hang is noticed so much later at the most. */
export const PING_EVERY_MS = 5000;

/** Watches until the answer is called, which ends it. */
export function watchDaemon(
  { clock, host }: { readonly clock: Clock; readonly host: Host },
  socketPath: string,
  onHung: (silentMs: number) => void,
): () => void {
  let answeredMs = clock.nowMs();
  let askedMs = answeredMs;
  let isOn = true;
  let stream: Stream | undefined;
  let cancel = (): void => {};
  const ping = (): void => {
    if (!isOn) return;
    const nowMs = clock.nowMs();
    // This process itself was stopped, or the machine slept: nobody was asked meanwhile.
    if (nowMs - askedMs > 2 * PING_EVERY_MS) answeredMs = nowMs;
    askedMs = nowMs;
    const silentMs = nowMs - answeredMs;
    if (silentMs >= HUNG_MS) {
      isOn = false;
      stream?.close();
      return onHung(silentMs);
    }
    stream?.close();
    stream = undefined;
    void host.dial(socketPath, {
      onBytes: () => void (answeredMs = clock.nowMs()),
      onClose: () => {},
    })
      .then((dialled) => {
        if (!isOn) return dialled.close();
        stream = dialled;
        dialled.write(encodeLine({ id: 1, verb: "node ping" }));
      }, () => {});
    cancel = clock.after(PING_EVERY_MS, ping);
  };
  ping();
  return () => {
    isOn = false;
    cancel();
    stream?.close();
  };
}
