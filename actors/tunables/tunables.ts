/**
 * The tunables of a node: what holds here now, who is told when that changes, and setting them for all.
 *
 *   state/tunables.json ──▶ held ◀── look: when told, each LOOK_MS, and after a write ── scope c of the metadata
 *                            '──▶ watchers: machines, threads, warnings              ◀── set, reset: one record each
 *
 * get(name): the value of this node, else that of the cluster, else the default.
 *
 * Does NOT promise: one moment for all nodes: a change is told once a second and by each node for itself. Of two values
 * that are set at once, or on both sides of a cut network, the one with the higher stamp holds in the end, everywhere.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { MetaRecord } from "../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../transport/wire/terms.ts";
import type { Clock, Dice, Disk, Log } from "../../transport/world.ts";
import { tunableOf } from "./catalogue.ts";
import type { TunableEntry } from "./entry.ts";
import { type Own, readSaved, savedText } from "./saved.ts";
import {
  type Change,
  changeKey,
  changesOf,
  changeValue,
  heldValue,
  HISTORY_MAX,
  LOG_PREFIX,
  type Place,
  type Settings,
  settingsOf,
  VALUE_PREFIX,
  valueKey,
} from "./values.ts";

/** Between two looks when nothing is told, ms; and after one that failed. */
export const LOOK_MS = 10_000;
export const AGAIN_MS = 1000;
/** A thread that dies with a question answers it never: so long it is waited for, ms. */
const ANSWER_MS = 6000;

/** Scope c of the cluster's metadata, as this node has it. Its methods reject with CtdbxError. */
export interface TunableStore {
  read(prefix: string): Promise<readonly MetaRecord[]>;
  /** Null deletes. */
  write(key: string, value: string | null, by: string): Promise<unknown>;
  /** Calls `onChange` when records with this prefix may have changed. Answers how to end it. */
  watch(prefix: string, onChange: () => void): () => void;
}

/** What a node's tunables are made with. */
export interface TunablesParts {
  readonly world: {
    readonly clock: Clock;
    readonly dice: Dice;
    readonly disk: Disk;
    readonly log: Log;
  };
  readonly self: NodeId;
  /** Of the node's own copy; see saved.ts. */
  readonly path: string;
  /** Undefined: the node has no metadata; its own copy holds. */
  readonly store: TunableStore | undefined;
  /** The nodes of the cluster, when this one leads; undefined: it does not. */
  readonly nodesWhenLeading?: () => readonly NodeId[] | undefined;
}

/** What became of setting one. */
export interface SetResult {
  readonly place: Place;
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly changed: boolean;
}

/** One node's. */
export class Tunables {
  readonly #parts: TunablesParts;
  readonly #watchers = new Set<() => void>();
  #held: ReadonlyMap<string, Own>;
  #odd = "";
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #ends: (() => void)[] = [];
  #endLook: () => void = () => {};
  #isStopped = false;

  constructor(parts: TunablesParts) {
    this.#parts = parts;
    const { disk, log } = parts.world;
    this.#held = readSaved(disk, log, parts.path);
  }

  /** What holds at this node, in the tunable's own unit. Throws CtdbxError "not_found". */
  get(name: string): number {
    return this.setValue(name) ?? tunableOf(name).value;
  }

  /** The same, where anything is set; undefined: nothing is. */
  setValue(name: string): number | undefined {
    const own = this.#held.get(tunableOf(name).name);
    return own?.node ?? own?.cluster;
  }

  /** What is set, for this node itself and for the cluster. */
  own(name: string): Own {
    return this.#held.get(name) ?? {};
  }

  /** Calls `onChange` after anything has changed here. Answers how to end it. */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => void this.#watchers.delete(onChange);
  }

  /** From now on it hears of changes. */
  start(): void {
    const { store } = this.#parts;
    if (store === undefined) return;
    this.#ends.push(store.watch(VALUE_PREFIX, () => void this.#tick()));
    void this.#tick();
  }

  stop(): void {
    this.#isStopped = true;
    this.#endLook();
    for (const end of this.#ends.splice(0)) end();
  }

  /** Looks at what is set now: what this answers is from after the call. Rejects with CtdbxError. */
  look(): Promise<void> {
    this.#queued ??= this.#running.then(() => {
      this.#queued = undefined;
      const reading = this.#read();
      this.#running = reading.catch(() => {});
      return reading;
    });
    return this.#queued;
  }

  /** What is set everywhere, from the metadata. Rejects with CtdbxError. */
  async settings(): Promise<Settings> {
    return settingsOf(await this.#ask((store) => store.read(VALUE_PREFIX)));
  }

  /** The changes of one tunable, or of all, that are remembered. Rejects with CtdbxError. */
  async history(entry: TunableEntry | undefined): Promise<readonly Change[]> {
    const prefix = entry === undefined ? LOG_PREFIX : `${LOG_PREFIX}${entry.name}/`;
    return changesOf(await this.#ask((store) => store.read(prefix)));
  }

  /**
   * Sets a value for the cluster or for nodes; undefined: nothing is set there any more. The caller has looked at its
   * range. Rejects with CtdbxError: "unknown" when it may have been set; of several nodes some may be done then.
   */
  async set(
    entry: TunableEntry,
    value: number | undefined,
    places: readonly Place[],
    by: string,
  ): Promise<readonly SetResult[]> {
    const setting = (await this.settings()).set.get(entry.name);
    const results: SetResult[] = [];
    for (const place of places) {
      const held = place === "cluster" ? setting?.cluster : setting?.nodes.get(place);
      const before = heldValue(held);
      const changed = before !== value;
      if (changed) await this.#write(entry, place, before, value, by);
      results.push({ place, before, after: value, changed });
    }
    // What was set holds here when this is answered; where it cannot be read just now, it is read later.
    if (results.some(({ changed }) => changed)) await this.look().catch(() => {});
    return results;
  }

  async #write(
    entry: TunableEntry,
    place: Place,
    before: number | undefined,
    after: number | undefined,
    by: string,
  ): Promise<void> {
    const text = after === undefined ? null : String(after);
    try {
      await this.#ask((store) => store.write(valueKey(entry, place), text, by));
    } catch (error) {
      if (!(error instanceof CtdbxError) || error.code !== "timeout") throw error;
      const cannot = `Cannot tell whether ${entry.name} was set: ${error.message}`;
      throw new CtdbxError("unknown", `${cannot}; look before you repeat it`, { cause: error });
    }
    try {
      await this.#remember(entry, changeValue(place, before, after), by);
    } catch (error) {
      // It is set; that is what was asked for.
      const { log } = this.#parts.world;
      log.write("warning", `The history of tunable ${entry.name} lacks a change`, { error });
    }
  }

  /** Adds a change to the history, and takes the oldest ones out. */
  async #remember(entry: TunableEntry, value: string, by: string): Promise<void> {
    const { clock, dice } = this.#parts.world;
    const key = changeKey(entry, clock.wallMs(), dice.u32());
    await this.#ask((store) => store.write(key, value, by));
    const known = await this.history(entry);
    for (const { key } of known.slice(0, Math.max(0, known.length - HISTORY_MAX))) {
      await this.#ask((store) => store.write(key, null, by));
    }
  }

  async #read(): Promise<void> {
    const settings = await this.settings();
    if (this.#isStopped) return;
    const { self } = this.#parts;
    const held = new Map<string, Own>();
    for (const [name, { cluster, nodes }] of settings.set) {
      const [forAll, forNode] = [heldValue(cluster), heldValue(nodes.get(self))];
      const own: Own = {
        ...forAll === undefined ? {} : { cluster: forAll },
        ...forNode === undefined ? {} : { node: forNode },
      };
      if (Object.keys(own).length > 0) held.set(name, own);
    }
    this.#sayOdd(settings.odd);
    this.#take(held);
    await this.#tidy(settings);
  }

  /** What a node has set that is in the cluster no more goes: its leader sees to it. */
  async #tidy({ set }: Settings): Promise<void> {
    const nodes = this.#parts.nodesWhenLeading?.();
    if (nodes === undefined) return;
    for (const { entry, nodes: values } of set.values()) {
      for (const nodeId of values.keys()) {
        if (nodes.includes(nodeId)) continue;
        await this.#ask((store) => store.write(valueKey(entry, nodeId), null, "the leader"));
      }
    }
  }

  #take(held: ReadonlyMap<string, Own>): void {
    const { disk, log } = this.#parts.world;
    const text = savedText(held);
    if (text === savedText(this.#held)) return;
    const names = new Set([...this.#held.keys(), ...held.keys()]);
    const before = new Map([...names].map((name) => [name, this.get(name)]));
    this.#held = held;
    for (const [name, was] of [...before].sort(([one], [other]) => one < other ? -1 : 1)) {
      const now = this.get(name);
      if (now !== was) log.write("info", `Tunable ${name} is ${now} from now on, after ${was}`);
    }
    disk.replace(this.#parts.path, new TextEncoder().encode(text), (error) => {
      if (error === undefined) return;
      log.write("warning", `Cannot write ${this.#parts.path}; a start without contact lacks it`, {
        error,
      });
    });
    for (const onChange of [...this.#watchers]) onChange();
  }

  /** What others set and this version cannot use is said once. */
  #sayOdd(odd: readonly string[]): void {
    const text = [...odd].sort().join("; ");
    if (text !== this.#odd && text !== "") {
      this.#parts.world.log.write("warning", `Tunables that are set and not used here: ${text}`);
    }
    this.#odd = text;
  }

  async #tick(): Promise<void> {
    this.#endLook();
    if (this.#isStopped) return;
    // A look that fails is nothing: the thread is started, or nobody who has the scope is reached yet.
    const isDone = await this.look().then(() => true, () => false);
    this.#endLook();
    if (this.#isStopped) return;
    const waitMs = isDone ? LOOK_MS : AGAIN_MS;
    this.#endLook = this.#parts.world.clock.after(waitMs, () => void this.#tick());
  }

  /** Asks the metadata, for ANSWER_MS at most. */
  #ask<T>(work: (store: TunableStore) => Promise<T>): Promise<T> {
    const { store, world } = this.#parts;
    if (store === undefined) {
      const text = "Cannot use tunables: this node has no metadata";
      return Promise.reject(new CtdbxError("unsupported", text));
    }
    return new Promise((resolve, reject) => {
      const cancel = world.clock.after(ANSWER_MS, () => {
        reject(new CtdbxError("timeout", "Cannot use tunables: the metadata do not answer"));
      });
      // Throws at once while the thread is started.
      new Promise<T>((done) => done(work(store))).then(resolve, reject).finally(cancel);
    });
  }
}
