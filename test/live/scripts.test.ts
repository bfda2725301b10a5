/** docs/scripts with real nodes, run by sh; a rolling restart under a watcher that looks at all leases all the time. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { binaryProgram } from "../../build/ready.ts";
import { askOnce } from "../../cli/commands/asking.ts";
import { Daemon } from "../../cli/control_client.ts";
import { StatePage } from "../../actors/storage/state_page.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealHost } from "../../transport/real_host.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { undisturbed } from "../undisturbed.ts";
import { eventually } from "./dev_rig.ts";
import { Lab } from "./member_rig.ts";
import { NatsRig } from "./nats.ts";
import { Process } from "./process.ts";

interface Context {
  rig: NatsRig;
  lab: Lab;
}

const SCRIPTS = fileURLToPath(new URL("../../docs/scripts/", import.meta.url));
const NAMES = ["join.sh", "leave.sh", "replace.sh", "rolling-restart.sh"] as const;
/**
 * While another node is restarted a node may pause for the rounds in which the view changes, but must not wait for the
 * end of anybody's lease: that would be 3.5 s. The same bound holds for the time without a leader.
 */
const GAP_MAX_MS = 3000;
/** How often it is looked, ms: a small part of that. */
const LOOK_MS = 25;
/** A daemon that has not said by then whether it leads is asked anew, ms. */
const ANSWER_MS = 500;
const IMAGES = new RealImageStore();

const test = sharedSuite<Context>("live scripts");

test.before(limit(60_000, async (context) => {
  context.rig = new NatsRig();
  const server = await context.rig.server({ storeFolder: context.rig.store("s") });
  context.lab = await Lab.create(["--servers", server.address]);
}));
test.after(limit(60_000, async ({ rig, lab }) => {
  await lab?.end();
  await rig.end();
}));

/** The command line of ctdbx for a script, whose words are split at blanks. */
const CTDBX = binaryProgram();

/** Runs a script to its end. */
async function run(
  name: (typeof NAMES)[number],
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ exit: number | string | undefined; err: string; lines: string[] }> {
  const script = new Process(["sh", join(SCRIPTS, name), ...words], {
    CTDBX,
    ...env,
  });
  const exit = await script.ended;
  return { exit, err: script.err, lines: await script.lines.takeAll(script.lines.size) };
}

async function ok(...words: Parameters<typeof run>): Promise<string> {
  const { exit, err, lines } = await run(...words);
  assert.is(exit, 0, `${words[0]}: ${err}`);
  return lines.join("\n");
}

for (const name of NAMES) {
  test(`${name} is clean for sh, is of our program only, and says how it is used`, () => {
    const path = join(SCRIPTS, name);
    assert.is(spawnSync("sh", ["-n", path]).status, 0);
    const { status, stderr } = spawnSync("sh", [path, "-?"], { encoding: "utf8" });
    assert.is(status, 2);
    assert.match(stderr, `  ${name} `);
    assert.match(stderr, "Exit code");
    assert.not.match(stderr, /^set -eu/m);
  });
}

test(
  "join.sh makes nodes; run again, it finds them made",
  limit(90_000, async ({ lab }) => {
    for (const name of ["n1", "n2"]) {
      await lab.invite(name);
      assert.match(await ok("join.sh", [lab.file(name), lab.home(name)]), `${name} is node`);
    }
    assert.match(await ok("join.sh", [lab.file("n2"), lab.home("n2")]), "was done  join");
    assert.equal(await lab.names(), { nodes: ["n0", "n1", "n2"], voters: ["n0", "n1", "n2"] });
    const { exit, err } = await run("join.sh", [lab.file("n2"), lab.home("other")]);
    assert.is(exit, 4, err);
    assert.not.ok(existsSync(lab.home("other")));
  }),
);

/** What is seen of a node all the time: since when it does not serve, and the longest such time, ms. */
interface Watched {
  since: number | undefined;
  longestMs: number;
}

/** Looks at all leases, and at who leads, until `work` is done; the longest gaps outside of a node's own restart. */
async function watched(
  lab: Lab,
  names: readonly string[],
  restarting: () => string | undefined,
  work: Promise<unknown>,
): Promise<{ gaps: Map<string, number>; leaderGapMs: number }> {
  const clock = new RealClock();
  const seen = new Map<string, Watched>(
    names.map((name) => [name, { since: undefined, longestMs: 0 }]),
  );
  let isOn = true;
  void work.finally(() => isOn = false);
  const leader = { at: clock.nowMs(), longestMs: 0 };
  const asked = names.map((name) => new LeaderQuestion(lab, name));
  const leads = async (): Promise<void> => {
    while (isOn) {
      const words = await Promise.all(asked.map((each) => each.isLeader()));
      if (words.includes(true)) leader.at = clock.nowMs();
      leader.longestMs = Math.max(leader.longestMs, clock.nowMs() - leader.at);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
  const asking = leads();
  while (isOn) {
    for (const [name, state] of seen) {
      const isServing = leaseLeftMs(lab, name, clock) > 0;
      if (isServing || restarting() === name) state.since = undefined;
      else state.since ??= clock.nowMs();
      if (state.since !== undefined) {
        state.longestMs = Math.max(state.longestMs, clock.nowMs() - state.since);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  await asking;
  for (const each of asked) each.close();
  const gaps = new Map([...seen].map(([name, { longestMs }]) => [name, longestMs]));
  return { gaps, leaderGapMs: leader.longestMs };
}

/** Asks a daemon again and again whether it leads, by one connection as long as that holds. */
class LeaderQuestion {
  readonly #lab: Lab;
  readonly #name: string;
  #daemon: Daemon | undefined;

  constructor(lab: Lab, name: string) {
    this.#lab = lab;
    this.#name = name;
  }

  /** False also when it does not answer in time. */
  async isLeader(): Promise<boolean> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("late")), ANSWER_MS);
    try {
      return await Promise.race([this.#ask(), late.promise]);
    } catch {
      this.close();
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(): Promise<boolean> {
    this.#daemon ??= await Daemon.dial(new RealHost(), this.#lab.paths(this.#name));
    return (await this.#daemon.ask("node status", {}) as { isLeader: boolean }).isLeader;
  }

  close(): void {
    this.#daemon?.close();
    this.#daemon = undefined;
  }
}

/** What is left of the lease in a node's page, ms; 0: none. */
function leaseLeftMs(lab: Lab, name: string, clock: RealClock): number {
  try {
    const page = StatePage.open(IMAGES, join(lab.paths(name).run, "state"));
    const state = page.read();
    page.close();
    if (state === undefined || state.leaseEndNs === 0n) return 0;
    return Number(state.leaseEndNs) / 1e6 - clock.nowMs();
  } catch {
    // There is none yet, or it is being made.
    return 0;
  }
}

test(
  "rolling-restart.sh: all daemons are new, the leader last; the others serve on, somebody leads",
  limit(300_000, ({ lab }) =>
    undisturbed(async () => {
      const names = ["n0", "n1", "n2"];
      await lab.ok("cluster wait --for all-ok,leader --timeout 20");
      const { leader } = await lab.json<{ leader: string }>("leader show");
      const pids = () =>
        Promise.all(
          names.map(async (name) =>
            (await askOnce(lab.paths(name), "node process") as { pid: number }).pid
          ),
        );
      const before = await pids();
      const place = `--home "${lab.folder}/$NODE"`;
      const script = new Process(
        ["sh", join(SCRIPTS, "rolling-restart.sh"), lab.home("n0")],
        {
          CTDBX,
          RESTART: `$CTDBX daemon stop ${place} && $CTDBX daemon start ${place}`,
        },
      );
      const order: string[] = [];
      const follow = async (): Promise<void> => {
        for (;;) {
          const line = await script.lines.take();
          const [, node] = /^restarting (\S+)$/.exec(line) ?? [];
          if (node !== undefined) order.push(node);
        }
      };
      void follow();
      // The one that is being restarted, until the next one is.
      const seen = await watched(lab, names, () => order.at(-1), script.ended);
      assert.is(await script.ended, 0, script.err);
      assert.equal(order.toSorted(), names);
      assert.is(order.at(-1), leader);
      for (const [index, pid] of (await pids()).entries()) assert.is.not(pid, before[index]);
      for (const [name, gapMs] of seen.gaps) {
        assert.ok(gapMs < GAP_MAX_MS, `${name} did not serve for ${gapMs} ms`);
      }
      assert.ok(seen.leaderGapMs < GAP_MAX_MS, `nobody led for ${seen.leaderGapMs} ms`);
      await lab.well();
    })),
);

test(
  "rolling-restart.sh stops at the first trouble: a node that does not come back, an unknown one, a failing command",
  limit(90_000, async ({ lab }) => {
    const home = lab.home("n0");
    const none = await run("rolling-restart.sh", [home, "n9"], { RESTART: "true" });
    assert.is(none.exit, 3, none.err);
    const failing = await run("rolling-restart.sh", [home, "n1"], { RESTART: "exit 7" });
    assert.is(failing.exit, 1);
    assert.match(failing.err, "the restart of n1 failed");
    const RESTART = `$CTDBX daemon stop --home "${lab.folder}/$NODE"; echo "stopped $NODE"`;
    const { exit, err, lines } = await run("rolling-restart.sh", [home], { RESTART, WAIT: "4" });
    assert.is(exit, 8, err);
    assert.match(err, "not all is well, nothing more is restarted");
    assert.is(lines.filter((line) => line.startsWith("restarting")).length, 1);
    const [, down = ""] = /restarting (\S+)/.exec(lines.join("\n")) ?? [];
    await lab.ok("daemon start --wait", down);
    await lab.well();
  }),
);

test(
  "replace.sh carries an invitation over and sees the old node go; leave.sh takes one out; both can be run again",
  limit(120_000, async ({ lab }) => {
    await lab.killNode("n1");
    const CARRY = `$CTDBX cluster join "$FILE" --home "${lab.home("n3")}"`;
    const words = ["n1", "n3", lab.file("n3"), lab.home("n0")];
    assert.match(await ok("replace.sh", words, { CARRY }), "n1 is gone, n3 has its place");
    assert.equal((await lab.names()).voters, ["n0", "n2", "n3"]);
    assert.match(await ok("replace.sh", words, { CARRY }), "n1 is gone already");
    assert.match(await ok("leave.sh", ["-n", "n3", lab.home("n0")]), "n3 has left");
    assert.match(await ok("leave.sh", ["-n", "n3", lab.home("n0")]), "n3 has left");
    assert.match(await ok("leave.sh", [lab.home("n2")]), "n2 has left");
    await eventually("n2 has ended", async () => (await lab.run("daemon status", "n2")).exit === 3);
    assert.equal((await lab.names()).nodes, ["n0"]);
    const last = await run("leave.sh", [lab.home("n0")]);
    assert.is(last.exit, 4, last.err);
    const nobody = await run("replace.sh", ["nobody", "n5", lab.file("n5"), lab.home("n0")]);
    assert.is(nobody.exit, 3, nobody.err);
    assert.not.ok(existsSync(lab.file("n5")));
  }),
);

test.run();
