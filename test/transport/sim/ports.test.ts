/** The contracts of all ports on the simulated world, in virtual time. */

import * as assert from "uvu/assert";
import { suite } from "uvu";
import type { SimBus } from "../../../transport/sim/bus.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import type { SimProcess } from "../../../transport/sim/host.ts";
import { SimLock, SimRegister } from "../../../transport/sim/lock.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine, type SimWorld } from "../../../transport/sim/world.ts";
import type { Bus } from "../../../transport/world.ts";
import { busContract } from "../../contracts/bus.ts";
import { clockContract } from "../../contracts/clock.ts";
import { diceContract } from "../../contracts/dice.ts";
import { diskContract } from "../../contracts/disk.ts";
import { hostContract } from "../../contracts/host.ts";
import { registerContract } from "../../contracts/lock.ts";
import { logContract } from "../../contracts/log.ts";

/** A cluster of machines, and how promises come true on it. */
class Rig {
  readonly time = new SimTime();
  readonly dice = new SeededDice(7);
  readonly network = new SimNetwork(this.time, this.dice);
  readonly worlds: SimWorld[] = [];
  readonly wait = <T>(promise: Promise<T>): Promise<T> => this.time.drive(promise, turn);

  machine(rate = 1): SimMachine {
    const { network, dice } = this;
    const name = `n${this.worlds.length}`;
    const machine = new SimMachine({ name, network, dice, clock: { rate } });
    this.worlds.push(machine.boot());
    return machine;
  }

  world(rate = 1): SimWorld {
    this.machine(rate);
    return this.worlds.at(-1) as SimWorld;
  }
}

/** All that promises continue has run when this resolves. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

for (const rate of [1, 0.99, 1.01]) {
  clockContract(`simulated clock, rate ${rate}`, () => {
    const rig = new Rig();
    return { clock: rig.world(rate).clock, wait: rig.wait };
  });
}

diceContract("simulated dice", () => new SeededDice(3));

busContract("simulated bus", () => {
  const rig = new Rig();
  const until = (bus: Bus, wanted: string) =>
    new Promise<void>((resolve) => {
      if (bus.status === wanted) return resolve();
      const end = bus.watch((status) => {
        if (status !== wanted) return;
        end();
        resolve();
      });
    });
  return {
    wait: rig.wait,
    bus: () => Promise.resolve(rig.world().bus),
    cut: (bus) => {
      (bus as SimBus).cut();
      return until(bus, "disconnected");
    },
    heal: (bus) => {
      (bus as SimBus).connect();
      return until(bus, "connected");
    },
    errors: () =>
      rig.worlds.flatMap(({ log }) =>
        log.entries.filter(({ level }) => level === "error").map((entry) => JSON.stringify(entry))
      ),
  };
});

diskContract("simulated disk", () => {
  const rig = new Rig();
  const machine = rig.machine();
  const { files } = machine.disk;
  files.makeFolder("/data/small");
  return {
    wait: rig.wait,
    disk: rig.worlds[0]?.disk as SimWorld["disk"],
    folder: "/data",
    deny: (path) => machine.disk.deny(path),
    small: (bytes) => {
      files.room = bytes;
      return { folder: "/data/small", grow: () => files.room = Infinity };
    },
  };
});

function prints({ words, print, exit }: SimProcess): void {
  const [, code, ...lines] = words;
  for (const line of lines) print(line);
  exit(Number(code));
}

hostContract("simulated host", () => {
  const rig = new Rig();
  const machine = rig.machine();
  machine.disk.files.makeFolder("/run");
  machine.system.install("prints", prints);
  machine.system.install("runs", () => {});
  machine.system.install("shows", ({ words, env, print, exit }) => {
    print(env[words[1] ?? ""] ?? "");
    exit(0);
  });
  return {
    wait: rig.wait,
    host: rig.worlds[0]?.host as SimWorld["host"],
    folder: "/run",
    commands: {
      prints: (lines, code) => ["prints", `${code}`, ...lines],
      runs: () => ["runs"],
      showsEnv: (name) => ["shows", name],
    },
    stopped: () => Promise.resolve(),
    fileText: (path) => new TextDecoder().decode(machine.disk.files.get(path)),
  };
});

logContract("simulated log", () => {
  const { log } = new Rig().world();
  return { log, entries: () => log.entries };
});

registerContract("simulated lock", () => {
  const rig = new Rig();
  return {
    wait: rig.wait,
    pair: () => {
      const register = new SimRegister(rig.time, rig.dice);
      const lock = ({ life, clock }: SimWorld) => new SimLock(register, life, clock);
      return Promise.resolve([lock(rig.world()), lock(rig.world())]);
    },
  };
});

const test = suite("simulated world");
test("Waiting for what never comes is an error, not a hang", async () => {
  const rig = new Rig();
  const outcome = await rig.wait(new Promise(() => {})).catch((error: unknown) => error);
  assert.match(String(outcome), /nothing is left to happen/);
});
test.run();
