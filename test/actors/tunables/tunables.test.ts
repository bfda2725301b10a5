/** A node's tunables over metadata that fail, come late or say nothing: what is told, and what is held meanwhile. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tunableOf } from "../../../actors/tunables/catalogue.ts";
import {
  AGAIN_MS,
  LOOK_MS,
  Tunables,
  type TunableStore,
} from "../../../actors/tunables/tunables.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import type { Disk } from "../../../transport/world.ts";

const SELF = "a".repeat(32) as NodeId;
const AGE = tunableOf("VacuumAge");
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Metadata that a test lets fail. */
class Rig implements TunableStore {
  readonly time = new SimTime();
  readonly records = new Map<string, MetaRecord>();
  readonly logged: string[] = [];
  readonly files = new Map<string, string>();
  reads = 0;
  trouble: (what: string) => CtdbxError | "silence" | undefined = () => undefined;
  onChange: () => void = () => {};
  #stamp = 0n;

  make(store: TunableStore | undefined = this): Tunables {
    const disk = {
      read: (path: string) =>
        this.files.has(path) ? new TextEncoder().encode(this.files.get(path)) : undefined,
      replace: (path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void) => {
        this.files.set(path, new TextDecoder().decode(bytes));
        done(this.trouble("disk") as CtdbxError | undefined);
      },
    } as unknown as Disk;
    const clock = {
      nowMs: () => this.time.nowMs,
      wallMs: () => this.time.nowMs,
      after: (delayMs: number, fire: () => void) => this.time.after(delayMs, fire),
    };
    const log = { write: (_level: string, text: string) => void this.logged.push(text) };
    const world = { clock, disk, log, dice: new SeededDice(1) };
    return new Tunables({ world, self: SELF, path: "/saved", store });
  }

  read(prefix: string): Promise<readonly MetaRecord[]> {
    this.reads++;
    const found = [...this.records.values()].filter(({ key, value }) =>
      key.startsWith(prefix) && value !== null
    );
    return this.#answer("read", found);
  }

  write(key: string, value: string | null, by: string): Promise<bigint> {
    const what = key.startsWith("tunable-log/") ? "write log" : "write value";
    if (this.trouble(what) === undefined) {
      const c = ++this.#stamp;
      this.records.set(key, { scope: "c", key, value, c, w: SELF, wallMs: 0, by });
    }
    return this.#answer(what, this.#stamp);
  }

  watch(_prefix: string, onChange: () => void): () => void {
    this.onChange = onChange;
    return () => void (this.onChange = () => {});
  }

  #answer<T>(what: string, value: T): Promise<T> {
    const trouble = this.trouble(what);
    if (trouble === "silence") return new Promise(() => {});
    return trouble === undefined ? Promise.resolve(value) : Promise.reject(trouble);
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(() => "done", (error: CtdbxError) => error.code);
}

const test = suite("tunables of a node");

test("set where the history cannot be written is set, and the log says what is missing", async () => {
  const rig = new Rig();
  const tunables = rig.make();
  rig.trouble = (what) => what === "write log" ? new CtdbxError("limit", "full") : undefined;
  const [done] = await tunables.set(AGE, 700, ["cluster"], "me");
  assert.equal(done, { place: "cluster", before: undefined, after: 700, changed: true });
  assert.is(tunables.get("VacuumAge"), 700);
  assert.match(rig.logged.join("\n"), "The history of tunable VacuumAge lacks a change");
});

test("a write that is not answered is unknown; one that is refused is refused, and nothing holds", async () => {
  const rig = new Rig();
  const tunables = rig.make();
  rig.trouble = (what) => what === "write value" ? "silence" : undefined;
  const asked = codeOf(tunables.set(AGE, 700, ["cluster"], "me"));
  await settle();
  rig.time.runTo(60_000);
  assert.is(await asked, "unknown");
  rig.trouble = (what) => what === "write value" ? new CtdbxError("busy", "no") : undefined;
  assert.is(await codeOf(tunables.set(AGE, 700, ["cluster"], "me")), "busy");
  rig.trouble = (what) => what === "read" ? new CtdbxError("state", "cold") : undefined;
  assert.is(await codeOf(tunables.set(AGE, 700, ["cluster"], "me")), "state");
  rig.trouble = () => undefined;
  await tunables.look();
  assert.is(tunables.get("VacuumAge"), 1000);
});

test("told of a change it looks at once; untold each LOOK_MS; and soon again after one that failed", async () => {
  const rig = new Rig();
  const tunables = rig.make();
  let told = 0;
  tunables.watch(() => told++);
  rig.trouble = () => new CtdbxError("busy", "it is being started");
  tunables.start();
  await settle();
  rig.time.runTo(AGAIN_MS - 1);
  await settle();
  assert.is(rig.reads, 1);
  rig.time.runTo(AGAIN_MS);
  await settle();
  assert.is(rig.reads, 2);
  rig.trouble = () => undefined;
  await rig.write("tunable/VacuumAge", "700", "me");
  rig.onChange();
  await settle();
  assert.equal([tunables.get("VacuumAge"), told], [700, 1]);
  await rig.write("tunable/VacuumAge", "800", "me");
  rig.time.runTo(rig.time.nowMs + LOOK_MS);
  await settle();
  assert.equal([tunables.get("VacuumAge"), told], [800, 2]);
  const { reads } = rig;
  rig.time.runTo(rig.time.nowMs + LOOK_MS);
  await settle();
  assert.equal([told, rig.reads], [2, reads + 1], "nothing has changed");
  tunables.stop();
  rig.onChange();
  rig.time.runTo(rig.time.nowMs + 5 * LOOK_MS);
  await settle();
  assert.is(rig.reads, reads + 1, "it has ended");
});

test("what a look answers is from after its call, also when another is under way", async () => {
  const rig = new Rig();
  const tunables = rig.make();
  const slow = Promise.withResolvers<void>();
  const store: TunableStore = {
    read: async (prefix) => {
      const found = await rig.read(prefix);
      if (rig.reads === 1) await slow.promise;
      return found;
    },
    write: (key, value, by) => rig.write(key, value, by),
    watch: (prefix, onChange) => rig.watch(prefix, onChange),
  };
  const other = rig.make(store);
  const first = other.look();
  await settle();
  await rig.write("tunable/VacuumAge", "700", "me");
  const second = other.look();
  slow.resolve();
  await Promise.all([first, second]);
  assert.is(other.get("VacuumAge"), 700);
  assert.is(tunables.get("VacuumAge"), 1000, "the other one was not told");
});

test("a copy that cannot be written is said; what is held holds all the same", async () => {
  const rig = new Rig();
  const tunables = rig.make();
  rig.trouble = (what) => what === "disk" ? new CtdbxError("no_space", "full") : undefined;
  await tunables.set(AGE, 700, ["cluster"], "me");
  assert.is(tunables.get("VacuumAge"), 700);
  assert.match(rig.logged.join("\n"), "Cannot write /saved");
  assert.match(rig.logged.join("\n"), "Tunable VacuumAge is 700 from now on, after 1000");
});

test("what others set and this version cannot use is said once, and again when it is other", async () => {
  const rig = new Rig();
  const tunables = rig.make();
  await rig.write("tunable/FromTheFuture", "1", "me");
  await tunables.look();
  await tunables.look();
  const said = () => rig.logged.filter((text) => text.startsWith("Tunables that are set")).length;
  assert.is(said(), 1);
  await rig.write("tunable/VacuumAge", "1", "me");
  await tunables.look();
  assert.is(said(), 2);
  assert.is(tunables.get("VacuumAge"), 1000);
});

test("a node without metadata has its copy, and says that nothing can be set", async () => {
  const rig = new Rig();
  rig.files.set("/saved", '{"format":1,"set":{"VacuumAge":{"cluster":700}}}');
  const tunables = new Tunables(partsOf(rig));
  tunables.start();
  assert.is(tunables.get("vacuumage"), 700);
  assert.is(await codeOf(tunables.set(AGE, 800, ["cluster"], "me")), "unsupported");
  assert.throws(() => tunables.get("NoSuch"), /Cannot find a tunable/);
});

function partsOf(rig: Rig): ConstructorParameters<typeof Tunables>[0] {
  const disk = {
    read: (path: string) => new TextEncoder().encode(rig.files.get(path)),
  } as unknown as Disk;
  const clock = { nowMs: () => 0, wallMs: () => 0, after: () => () => {} };
  const world = { clock, disk, log: { write: () => {} }, dice: new SeededDice(1) };
  return { world, self: SELF, path: "/saved", store: undefined };
}

test.run();
