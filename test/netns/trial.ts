/**
 * How long clients wait for an address when its node stands still or dies: run by test/bench/addresses.ts as root of
 * namespaces of its own. Each time is a line of JSON.
 *
 *   SIGSTOP of daemon and supervisor, kill -9 of the daemon; of a follower, of the leader
 *
 * A time is that between two answers which a client got at the address, from the old owner and from the new one. The
 * client asks every 50 ms, each time by a new connection.
 *
 * Does NOT promise: figures that hold elsewhere; the machine's load is in them.
 */
import process from "node:process";
import { Lab, NODES } from "./lab.ts";

const ALL = Array.from({ length: NODES }, (_, n) => n);

/** One time; the node is as before afterwards. */
async function time(
  lab: Lab,
  how: "SIGSTOP" | "kill -9",
  who: "leader" | "follower",
): Promise<void> {
  const { node, address } = await lab.hostOf(who);
  const from = lab.client.events.length;
  const pids = how === "SIGSTOP" ? [lab.supervisor(node), lab.daemon(node)] : [lab.daemon(node)];
  for (const pid of pids) process.kill(pid, how === "SIGSTOP" ? "SIGSTOP" : "SIGKILL");
  const again = () =>
    lab.client.find(
      from,
      address,
      (event) => event.what === "served" && event.node !== `n${node}`,
    );
  await lab.until(`${how} of the ${who}: the client is served again`, () => again() !== undefined);
  if (how === "SIGSTOP") { for (const pid of pids) process.kill(pid, "SIGCONT"); }
  console.log(JSON.stringify({ what: `${how}, ${who}`, ms: again()?.gapMs }));
  await lab.hosted(ALL);
  await lab.held();
}

async function main(rounds: number): Promise<void> {
  // With whoever started this all of it ends.
  process.stdin.on("end", () => process.exit(3)).resume();
  const lab = await Lab.up();
  try {
    for (let round = 0; round < rounds; round++) {
      for (const how of ["SIGSTOP", "kill -9"] as const) {
        for (const who of ["follower", "leader"] as const) await time(lab, how, who);
      }
    }
    await lab.stop();
  } finally {
    lab.remove();
  }
}

await main(Number(process.argv[2] ?? 3)).then(
  () => process.exit(0),
  (error) => {
    console.error(error instanceof Error ? error.stack : error);
    process.exit(1);
  },
);
