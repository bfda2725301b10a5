/**
 * A process for host.test.ts: starts children through the Host, names them, and waits to be killed.
 *
 *   host_child.ts LOG        LOG: where the children's output goes
 *   host_child.ts once       starts one, awaits its end, and ends by itself
 *
 * Does NOT promise: to end by itself in its first form.
 */

import process from "node:process";
import { RealHost } from "../../transport/real_host.ts";

const [logPath = "/dev/null"] = process.argv.slice(2);
const host = new RealHost();
if (logPath === "once") {
  const child = await host.start(["/bin/true"]);
  const { code } = await child.ended;
  console.log(`ended ${code}`);
} else await startAll();

async function startAll(): Promise<void> {
  const family = await host.start(["/bin/sh", "-c", "sleep 1000 & echo $!; wait"], {
    onLine: (grandchild) => console.log(`grandchild ${grandchild}`),
  });
  const deaf = await host.start([
    "/bin/sh",
    "-c",
    "trap '' TERM INT HUP; while :; do sleep 1000; done",
  ]);
  const over = await host.start(["/bin/sleep", "0"], { logPath });
  await over.ended;
  const detached = await host.start(["/bin/sleep", "1000"], { detached: true, logPath });
  console.log(`family ${family.pid}`);
  console.log(`deaf ${deaf.pid}`);
  console.log(`detached ${detached.pid}`);
  await new Promise((resolve) => setTimeout(resolve, 1_000_000));
}
