/**
 * One-way messages: a client of one node sends, a client of another counts.
 *
 *   sender --100 bytes, number and time inside--> daemon --> daemon --> receiver: in order, each once
 *
 * At most WINDOW are under way, so that nobody's queue overflows; times are from send() to the receiver's callback
 * with that many before it.
 *
 * Does NOT promise: the latency of a message alone; message-ring shows that.
 */

import { setImmediate } from "node:timers";
import { mustBe, type Scale, Times } from "./measure.ts";
import type { Run, Workload } from "./workload.ts";

const COUNT: Readonly<Record<Scale, number>> = { full: 1_000_000, small: 2000 };
const BYTES = 100;
const WINDOW = 4096;
/** Sent in one turn at most. */
const TURN = 256;
const SRVID = 0xae00_0000_0000_2000n;

async function oneWay({ world, scale, tell }: Run): Promise<void> {
  const count = COUNT[scale];
  const sender = await world.client(0);
  const receiver = await world.client(1);
  const times = new Times();
  const { promise, resolve } = Promise.withResolvers<void>();
  let [got, sent, wrong] = [0, 0, 0];
  await receiver.listen(SRVID, (data) => {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    if (data.length !== BYTES || view.getUint32(0, true) !== got) wrong += 1;
    times.add(performance.now() - view.getFloat64(8, true));
    got += 1;
    if (got === count) resolve();
  });
  const data = new Uint8Array(BYTES);
  const view = new DataView(data.buffer);
  const cpuMs = world.cpuMs();
  const startMs = performance.now();
  while (sent < count) {
    const end = Math.min(count, sent + TURN, got + WINDOW);
    while (sent < end) {
      view.setUint32(0, sent++, true);
      view.setFloat64(8, performance.now(), true);
      sender.send(1, SRVID, data);
    }
    await new Promise<void>((go) => setImmediate(go));
  }
  await promise;
  const seconds = (performance.now() - startMs) / 1000;
  mustBe("messages lost, doubled or out of order", wrong, 0);
  sender.close();
  receiver.close();
  tell(times.figure(world, {
    workload: "one-way",
    what: `${BYTES} bytes, ${WINDOW} under way`,
    unit: "messages",
    seconds,
    result: [got, wrong],
    more: { cpuUsPerMessage: 1000 * (world.cpuMs() - cpuMs) / count },
  }));
}

/** See the head. */
export const ONE_WAY: Workload = {
  name: "one-way",
  about: "messages of 100 bytes from a node to another, as fast as they go",
  limitMs: { full: 60_000, small: 60_000 },
  floor: "one way",
  run: oneWay,
};
