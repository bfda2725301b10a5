/**
 * The cluster locks of one program.
 *
 *   lock ─▶ in the mapped file, if the record is here and the lock free ─▶ held
 *        └▶ daemon: take ─▶ granted | waits in the queue of the record until whoever has it gives it up
 *   held ─▶ release: in the file, or by the daemon
 *        └▶ lost: the connection is cut, the node's lease or life is over, it was not renewed
 *
 * The daemon knows which locks a program uses before it takes the first of them, so they end with its connection,
 * whatever happens to it. A lock that is given up while others wait lies free for a moment, so that this node may use
 * it again in its turn; then the daemon gives it on.
 *
 * Does NOT promise: that a program which does not look at `lost` stops.
 */
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import { keyOfBytes } from "../../transport/wire/client/frames.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../transport/wire/terms.ts";
import type { By } from "../machines/locks/rules.ts";
import { GRACE_MS_MAX, LOCK_DATABASE, NO_TOKEN } from "../machines/locks/value.ts";
import type { LifeOf, Owner, Place, Token } from "../machines/locks/value.ts";
import type { LocalNode } from "../storage/local_node.ts";
import type { ClientCore } from "./core.ts";
import { leaveNow, takeNow } from "./lock_fast.ts";
import { HeldLock } from "./lock_held.ts";
import { lockKey } from "./lock_list.ts";
import { LockSettling, type LockUse } from "./lock_settle.ts";
import { LockTelling } from "./lock_telling.ts";
import { LockWatch } from "./lock_watch.ts";
import type { LeaseOptions, LockOptions, LockToken } from "./lock_types.ts";
import type { Cluster, Database } from "./types.ts";
import { KEEP } from "./types.ts";

/** Default life of a lease that is not renewed, ms, and its limits. */
export const TTL_MS = 10_000;
/** See TTL_MS. */
export const TTL_MS_MIN = 200;
/** See TTL_MS. */
export const TTL_MS_MAX = 600_000;
/** Getting a token takes less, ms. */
const TOKEN_MS = 1000;
/** A lock that was not used for so long is forgotten here, ms. */
const IDLE_MS = 2000;
/** Bringing a record here may take so long, ms. */
const COME_MS = 2000;

/** What they need. */
export interface LocksParts {
  readonly core: ClientCore;
  readonly pid: number;
  readonly cluster: Pick<Cluster, "attach">;
  readonly node: () => LocalNode | undefined;
}

/** A lock that this program uses now and then. */
interface Used extends LockUse {
  readonly key: Uint8Array;
  readonly life: LifeOf;
  readonly client: number;
  readonly epoch: number;
  readonly file: Database;
  graceMs: number;
}

/** All of one program. */
export class Locks {
  readonly #parts: LocksParts;
  readonly #used = new Map<string, Used>();
  readonly #watch: LockWatch;
  #nextId = 1;
  #stopSweep: (() => void) | undefined;
  readonly #settling: LockSettling;
  readonly #telling: LockTelling<{ readonly used: Used; readonly place: Place }>;

  constructor(parts: LocksParts) {
    this.#parts = parts;
    const { core, node } = parts;
    this.#settling = new LockSettling(core);
    this.#telling = new LockTelling(core.clock, (held, { used, place }) => {
      this.#tell(used, held, place).catch(() => {});
    });
    this.#watch = new LockWatch({ core, node, onEpoch: () => this.#used.clear() });
  }

  /** Takes a lock. Throws "timeout", "limit", "state", SyntaxError, RangeError. */
  async lock(name: string, options: LockOptions = {}): Promise<HeldLock> {
    const held = await this.#lock(name, options, false);
    if (held === undefined) throw new CtdbxError("state", `Cannot lock ${name}`);
    return held;
  }

  /** The same, if that is possible at once. */
  tryLock(name: string, options: LockOptions = {}): Promise<HeldLock | undefined> {
    return this.#lock(name, options, true);
  }

  async #lock(
    name: string,
    options: LockOptions,
    isTry: boolean,
  ): Promise<HeldLock | undefined> {
    const { mode = "exclusive", graceMs = 0, earlyMs = 0 } = options;
    if (mode !== "exclusive" && mode !== "shared") {
      throw new RangeError(`Cannot lock ${name}: "exclusive" and "shared" are possible`);
    }
    checkMs("graceMs", graceMs, 0, GRACE_MS_MAX);
    checkMs("earlyMs", earlyMs, 0, GRACE_MS_MAX);
    const timeoutMs = this.#parts.core.timeout(options);
    const used = this.#known(name, graceMs) ?? await this.#use(name, graceMs, timeoutMs);
    const id = this.#nextId++;
    const place = this.#place(used, id, mode === "exclusive", graceMs);
    const parts = { name, id, keyText: used.keyText, mode, epoch: used.epoch, earlyMs };
    const onRelease = (held: HeldLock) => this.#release(used, held);
    const token = this.#takeNow(used, place);
    if (token !== undefined) {
      const held = new HeldLock({ ...parts, token, onRelease }, false);
      this.#telling.add(held, { used, place }, used.usedMs);
      return this.#begin(used, held);
    }
    const found = await this.#takeThere(used, place, isTry, timeoutMs);
    if (found === undefined) {
      used.count -= 1;
      return undefined;
    }
    return this.#begin(used, new HeldLock({ ...parts, token: found, onRelease }, true));
  }

  /** Takes a lease: an exclusive lock that this program renews while it runs. */
  async lease(name: string, options: LeaseOptions = {}): Promise<HeldLock> {
    const { ttlMs = TTL_MS } = options;
    checkMs("ttlMs", ttlMs, TTL_MS_MIN, TTL_MS_MAX);
    const { clock } = this.#parts.core;
    const began = clock.nowMs();
    const held = await this.lock(name, options);
    const used = this.#used.get(name);
    if (!held.isTold && used !== undefined) {
      await this.#tell(used, held, this.#place(used, held.parts.id, true, options.graceMs ?? 0));
    }
    held.untilMs = Math.max(began, clock.nowMs()) + ttlMs;
    await this.#renew(held, ttlMs);
    return held;
  }

  /** A token of a lock that nobody holds for longer than that takes. Throws as `lock`. */
  async tokenOf(name: string): Promise<LockToken> {
    // A lease: whoever is stopped meanwhile keeps it from nobody.
    const lease = await this.lease(name, { ttlMs: TOKEN_MS });
    await lease.release();
    return lease.token;
  }

  async #renew(held: HeldLock, ttlMs: number): Promise<void> {
    const { core } = this.#parts;
    if (held.isOver) return;
    const sentMs = core.clock.nowMs();
    const { id } = held.parts;
    try {
      const ask = { do: "lock", what: "renew", id, ttlMs };
      const answer = await core.line.ask(ask, sentMs + ttlMs);
      // Counted from before it was asked: the daemon counts from after.
      if (answer["isHeld"] === true) held.untilMs = sentMs + ttlMs;
      else held.lose("the node says that it is not held");
    } catch {
      // A cut connection loses it anyway; of a slow one the time runs on.
    }
    if (held.isOver) return;
    const cancel = core.clock.after(ttlMs / 3, () => void this.#renew(held, ttlMs));
    held.onOver = cancel;
  }

  // --- inside

  /** What is known of a lock, if it is of this connection and of the node's present life. */
  #known(name: string, graceMs: number): Used | undefined {
    const used = this.#used.get(name);
    if (used === undefined || used.graceMs < graceMs) return undefined;
    const node = this.#parts.node();
    // A place in the name of a life that is over would be nobody's.
    if (node !== undefined && node.life.incarnation !== used.life.incarnation) {
      this.#watch.end("the node has begun a new life");
    }
    return used.epoch === this.#watch.epoch ? used : undefined;
  }

  async #use(name: string, graceMs: number, timeoutMs: number): Promise<Used> {
    const key = lockKey(name);
    const { core, cluster } = this.#parts;
    const keyText = keyOfBytes(key);
    const file = await cluster.attach(LOCK_DATABASE, { readonly: "off", sticky: "off", timeoutMs });
    const answer = await core.ask({ do: "lock", what: "use", key: keyText, graceMs }, {
      timeoutMs,
    });
    await this.#watch.begin();
    const life = {
      pnn: Number(answer["pnn"]) as Pnn,
      incarnation: BigInt(String(answer["incarnation"])) as Incarnation,
    };
    const { epoch } = this.#watch;
    const used: Used = {
      ...{ key, keyText, life, client: Number(answer["client"]), epoch, file, graceMs },
      usedMs: core.clock.nowMs(),
      count: this.#used.get(name)?.count ?? 0,
      takes: 0,
    };
    this.#used.set(name, used);
    this.#sweepLater();
    return used;
  }

  #place(used: Used, id: number, isExclusive: boolean, graceMs: number): Place {
    const { life, client } = used;
    const { pid, core: { clock } } = this.#parts;
    return {
      ...life,
      ...{ client, id, isExclusive, pid, graceMs },
      sinceMs: Math.floor(clock.wallMs()),
      token: NO_TOKEN,
    };
  }

  #by(used: Used): By {
    const nowMs = this.#parts.core.clock.nowMs();
    used.usedMs = nowMs;
    return { life: used.life, nowMs };
  }

  /** In the file; undefined: not possible. */
  #takeNow(used: Used, place: Place): Token | undefined {
    used.count += 1;
    try {
      const token = takeNow(used.file, used.key, place, this.#by(used));
      used.takes = token === undefined ? 0 : used.takes + 1;
      return token;
    } catch (error) {
      // Whether it counts is not known: the daemon says so, as it may be taken twice by one wish.
      if (error instanceof CtdbxError && error.code === "unknown") return undefined;
      throw error;
    }
  }

  async #takeThere(
    used: Used,
    place: Place,
    isTry: boolean,
    timeoutMs: number,
  ): Promise<Token | undefined> {
    const { core } = this.#parts;
    const { id, isExclusive, graceMs, sinceMs } = place;
    const { keyText } = used;
    const ask = {
      do: "lock",
      what: "take",
      key: keyText,
      id,
      isExclusive,
      isTry,
      graceMs,
      sinceMs,
    };
    let answer: Record<string, unknown>;
    try {
      answer = await core.ask(ask, { timeoutMs });
    } catch (error) {
      used.count -= 1;
      // It may be granted yet: it is given up, or its connection has ended, and it with it.
      core.ask({ do: "lock", what: "leave", key: keyText, id }).catch(() => {});
      const isUnsure = error instanceof CtdbxError && error.code === "unknown";
      if (!isUnsure) throw error;
      throw new CtdbxError("state", "Cannot lock: the connection to the node was cut");
    }
    switch (answer["status"]) {
      case "granted":
        return readToken(answer["token"] as Record<string, unknown>);
      case "busy":
        return undefined;
      case "full":
        used.count -= 1;
        throw new CtdbxError("limit", "Cannot lock: too many wait for it, or have it");
      case "late":
        used.count -= 1;
        throw new CtdbxError("timeout", "Cannot lock: others have it, and its time is over");
    }
    used.count -= 1;
    throw new CtdbxError("state", `Cannot lock: ${String(answer["why"])}`);
  }

  #begin(used: Used, held: HeldLock): HeldLock {
    used.usedMs = this.#parts.core.clock.nowMs();
    this.#watch.add(held);
    return held;
  }

  async #tell(used: Used, held: HeldLock, place: Place): Promise<void> {
    held.isTold = true;
    const { id, isExclusive, graceMs, sinceMs } = place;
    const { gen, seq, rsn } = held.parts.token;
    await this.#parts.core.ask({
      ...{ do: "lock", what: "told", key: used.keyText, id, isExclusive, graceMs, sinceMs },
      token: { gen: `${gen}`, seq, rsn: `${rsn}` },
    });
  }

  async #release(used: Used, held: HeldLock): Promise<void> {
    this.#watch.drop(held);
    this.#telling.drop(held);
    used.count -= 1;
    const wasLost = held.isLost;
    held.over();
    // Of another connection: it has ended with that.
    if (held.parts.epoch !== this.#watch.epoch) return;
    if (!wasLost && this.#leaveNow(used, held)) return;
    // Its record comes here: who has it once takes it again, in its node's turn.
    const mayCome = !wasLost && this.#parts.node() !== undefined;
    if (mayCome && await this.#come(used) && this.#leaveNow(used, held)) return;
    const { id } = held.parts;
    try {
      await this.#parts.core.ask({ do: "lock", what: "leave", key: used.keyText, id });
    } catch (error) {
      // The daemon goes on giving it up, or has ended, and the lock with the connection.
      const code: ErrorCode = error instanceof CtdbxError ? error.code : "io";
      if (code !== "timeout" && code !== "unknown" && code !== "state") throw error;
    }
  }

  /** Has the record come here. */
  async #come(used: Used): Promise<boolean> {
    try {
      await used.file.update(used.key, () => KEEP, { timeoutMs: COME_MS });
      return true;
    } catch {
      return false;
    }
  }

  #leaveNow(used: Used, held: HeldLock): boolean {
    const { id } = held.parts;
    const owner: Owner = { ...used.life, client: used.client, id };
    let left: ReturnType<typeof leaveNow>;
    try {
      left = leaveNow(used.file, used.key, owner, this.#by(used));
    } catch (error) {
      if (error instanceof CtdbxError && error.code === "unknown") return false;
      throw error;
    }
    if (left === undefined) return false;
    const { core } = this.#parts;
    const { said, token: { gen, seq, rsn } } = left;
    const about = { do: "lock", key: used.keyText };
    if (held.isTold) core.ask({ ...about, what: "left", id }).catch(() => {});
    if (said.granted.length > 0) {
      const token = { gen: `${gen}`, seq, rsn: `${rsn}` };
      const owners = said.granted.map((one) => ({ ...one, incarnation: `${one.incarnation}` }));
      core.ask({ ...about, what: "wake", token, owners }).catch(() => {});
    }
    if (said.isMore) this.#settling.now(used, id);
    else if (said.isLazy) this.#settling.later(used, id);
    return true;
  }

  #sweepLater(): void {
    const { core } = this.#parts;
    this.#stopSweep ??= core.clock.after(IDLE_MS, () => {
      this.#stopSweep = undefined;
      const nowMs = core.clock.nowMs();
      for (const [name, used] of this.#used) {
        if (used.count > 0 || nowMs < used.usedMs + IDLE_MS) continue;
        this.#used.delete(name);
        core.ask({ do: "lock", what: "unuse", key: used.keyText }).catch(() => {});
      }
      if (this.#used.size > 0) this.#sweepLater();
    });
  }

  /** The connection has ended for good. */
  end(): void {
    this.#stopSweep?.();
    this.#telling.end();
    this.#watch.end("the connection was closed");
  }
}

function checkMs(name: string, value: number, min: number, max: number): void {
  if (typeof value === "number" && value >= min && value <= max) return;
  throw new RangeError(`Cannot lock: ${name} has ${min} to ${max} ms, is ${value}`);
}

function readToken(token: Record<string, unknown>): Token {
  return {
    gen: BigInt(String(token["gen"])) as Generation,
    seq: Number(token["seq"]),
    rsn: BigInt(String(token["rsn"])) as Rsn,
  };
}
