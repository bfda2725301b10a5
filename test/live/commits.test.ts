/**
 * A persistent database on three real nodes: programs at all of them move money between accounts while daemons are
 * killed, one after another and all at once. What was told as committed is there, once, and the sum stays what it was.
 *
 * Does NOT promise: rare faults and lost power; the swarm of the commit machine and the torture of its storage have
 * those.
 */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { Database } from "../../actors/client/types.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { DataRig, shown, withData } from "./data_rig.ts";
import { eventually, kill } from "./dev_rig.ts";

const test = sharedSuite("transactions at real nodes");

const NAME = "bank";
const ACCOUNTS = Array.from({ length: 6 }, (_, at) => `account ${at}`);
const START = 1000;
const NODES = [0, 1, 2];
/** Between two transfers of a program, ms: about as long as one takes; mostly some of the three are under way. */
const PAUSE_MS = 20;

/** A program that moves money, and writes down what it was told. */
class Teller {
  readonly node: number;
  readonly bank: Database;
  /** Transfers of which it was told that they are committed, and those of which it does not know. */
  readonly acked: string[] = [];
  readonly unsure: string[] = [];
  #isOn = true;
  readonly #done: Promise<void>;

  constructor(node: number, bank: Database) {
    this.node = node;
    this.bank = bank;
    this.#done = this.#work();
  }

  async #work(): Promise<void> {
    for (let at = 0; this.#isOn; at++) {
      const note = `note ${this.node} ${at}`;
      const [from = "", to = ""] = [ACCOUNTS[at % 6], ACCOUNTS[(at * 5 + this.node + 1) % 6]];
      if (from === to) continue;
      try {
        await this.bank.transaction(async (tx) => {
          const [has, gets] = [Number(shown(await tx.get(from))), Number(shown(await tx.get(to)))];
          tx.put(from, `${has - 1}`);
          tx.put(to, `${gets + 1}`);
          tx.put(note, from);
        }, { timeoutMs: 5000, tries: 100 });
        this.acked.push(note);
      } catch (error) {
        if (!(error instanceof CtdbxError)) throw error;
        if (error.code === "unknown") this.unsure.push(note);
      }
      // A line that is down refuses at once, and comes back in a turn of the event loop.
      await new Promise<void>((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** It stops when what is under way has ended. */
  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#done;
  }

  /** Waits until it has been told of so many more. */
  async more(count: number): Promise<void> {
    const goal = this.acked.length + count;
    await eventually(
      `${count} more transfers at node ${this.node}`,
      () => this.acked.length >= goal,
    );
  }
}

/** Waits until each of them has been told of so many more. */
async function more(tellers: readonly Teller[], count: number): Promise<void> {
  await Promise.all(tellers.map((teller) => teller.more(count)));
}

async function bankAt(rig: DataRig, node: number): Promise<Database> {
  const cluster = await rig.cluster(node);
  return await cluster.attach(NAME, { type: "persistent", timeoutMs: 20_000 });
}

/** All accounts and notes, as of one state that has all that is committed. */
async function stateAt(bank: Database): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  await using snapshot = await bank.snapshot({ latest: true, timeoutMs: 20_000 });
  const all = snapshot.entries({ timeoutMs: 60_000 });
  for await (const { key, value } of all) state.set(shown(key), shown(value));
  return state;
}

function judge(state: ReadonlyMap<string, string>, tellers: readonly Teller[]): void {
  const sum = ACCOUNTS.reduce((total, name) => total + Number(state.get(name)), 0);
  assert.is(sum, START * ACCOUNTS.length, "no money came or went");
  const lost = tellers.flatMap(({ acked }) => acked).filter((note) => !state.has(note));
  assert.equal(lost, [], "what was told as committed is there");
  const known = new Set(tellers.flatMap(({ acked, unsure }) => [...acked, ...unsure]));
  const undead = [...state.keys()].filter((key) => key.startsWith("note") && !known.has(key));
  assert.equal(undead, [], "what was told as aborted is not");
}

test(
  "kill -9 of the primary: writes go on; of all daemons at once: all that was acknowledged is there",
  limit(240_000, async () => {
    await withData(3, async (rig) => {
      const { dev } = rig;
      const banks = [];
      for (const node of NODES) banks.push(await bankAt(rig, node));
      const [first] = banks as [Database];
      await first.transaction((tx) => {
        for (const name of ACCOUNTS) tx.put(name, `${START}`);
      }, { timeoutMs: 20_000 });
      const tellers = banks.map((bank, node) => new Teller(node, bank));
      try {
        await more(tellers, 5);

        const { primary = 0 } = await first.commits();
        kill(await dev.pid(primary), "SIGKILL");
        await more(tellers.filter(({ node }) => node !== primary), 5);
        await dev.well();
        await more(tellers, 3);

        const pids = await Promise.all(NODES.map((node) => dev.pid(node)));
        for (const pid of pids) kill(pid, "SIGKILL");
        await dev.well();
        await more(tellers, 3);
      } finally {
        for (const teller of tellers) await teller.stop();
      }
      for (const bank of banks) judge(await stateAt(bank), tellers);
    });
  }),
);

test(
  "a node is away, misses much, and comes back; a database that is detached goes into the trash",
  limit(240_000, async () => {
    await withData(3, async (rig) => {
      const { dev } = rig;
      const bank = await bankAt(rig, 0);
      const value = "x".repeat(1000);
      await bank.put("first", value, { timeoutMs: 20_000 });
      const { primary } = await bank.commits();
      const away = NODES.filter((node) => node !== 0 && node !== primary)[0] as number;
      // For longer than its lease: the others go on without it, and it begins a new life.
      const pid = await dev.pid(away);
      kill(pid, "SIGSTOP");
      await eventually("the one that is away is out of the set", async () => {
        const { members } = await dev.status(0);
        return members === 2;
      });
      for (let at = 0; at < 50; at++) await bank.put(`key ${at}`, `${at}`, { timeoutMs: 20_000 });
      kill(pid, "SIGCONT");
      await dev.well();
      const back = await bankAt(rig, away);
      const seqnum = await bank.seqnum({ latest: true });
      assert.is(await back.seqnum({ latest: true, timeoutMs: 20_000 }), seqnum);
      assert.is(shown(await back.read("key 49")), "49");
      await eventually("the one that was away is in sync again", async () => {
        const { copies } = await bank.commits();
        return copies.filter(({ role }) => role === "primary" || role === "in_sync").length === 3;
      });
      await dev.ok(`db detach ${NAME} --yes`);
      for (const node of NODES) {
        const state = dev.paths(node).state;
        await eventually(`node ${node} has its files in the trash`, () => {
          const trash = join(state, "trash");
          const [folder] = existsSync(trash) ? readdirSync(trash) : [];
          return folder !== undefined &&
            readdirSync(join(trash, folder)).includes(`${NAME}.tdb`) &&
            readdirSync(join(state, "persistent")).every((name) =>
              readdirSync(join(state, "persistent", name)).length === 0
            );
        });
      }
    });
  }),
);

test.run();
