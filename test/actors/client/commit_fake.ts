/**
 * A persistent database without copies, in memory: what sessions and the library are tested against.
 *
 *   transact ─▶ onName ─▶ `before` of the test ─▶ compare versions ─▶ executed once under each name ─▶ answer
 *
 * Does NOT promise: durability, or a primary that can be lost; `mood` says how one answers.
 */
import type {
  CommitLook,
  CommitOps,
  CommitRead,
  CommitSnapshotHost,
  CommitValue,
  ReadHow,
  TxnEnd,
  TxnFate,
  TxnName,
  TxnWish,
} from "../../../actors/data/commit_ops.ts";
import type { DatabaseHost, DataHost, OpEnd } from "../../../actors/data/types.ts";
import type { OpWish } from "../../../actors/machines/record/events.ts";
import { PROCEDURES } from "../../../actors/machines/record/procedures.ts";
import type { DbCfg } from "../../../transport/wire/messages/document.ts";
import type { DbId, Pnn, Version } from "../../../transport/wire/terms.ts";

type Records = Map<string, { readonly value: Uint8Array; readonly version: bigint }>;

const NO_BYTES = new Uint8Array(0);
const REFUSED = { ok: false, code: "limit", why: "SNAPSHOTS_MAX is 2" } as const;
const SNAPSHOTS = 2;

/** One of them; several nodes may have the same. */
export class CommitFake implements CommitOps {
  records: Records = new Map();
  dbseq = 0n;
  /** What was submitted, and how it ended, by name. */
  readonly ended = new Map<string, TxnEnd>();
  /** Every submission, in order. */
  readonly submitted: {
    readonly client: number;
    readonly again: boolean;
    readonly lineage: bigint | undefined;
  }[] = [];
  /** Which history it is; undefined: it does not say, as older nodes. */
  lineage: bigint | undefined;
  /** Waits here before each record that is listed. */
  beforeRecord: (() => Promise<void>) | undefined;
  /** Called before something is read. */
  onRead: (() => void) | undefined;
  /** Waits here after the name was told, before anything is decided. */
  before: ((name: TxnName) => Promise<void> | void) | undefined;
  /** Waits here when it is decided, before it is told. */
  after: ((name: TxnName) => Promise<void> | void) | undefined;
  mood: "serving" | "readonly" | "silent" = "serving";
  /** What local reads see; undefined: all. */
  old: { readonly records: Records; readonly dbseq: bigint } | undefined;
  reads: ReadHow[] = [];
  snapshots = 0;
  #sessions = 0n;
  readonly #ns = new Map<number, { readonly sid: bigint; n: number }>();

  async transact(
    client: number,
    wish: TxnWish,
    _deadlineMs: number,
    onName?: (name: TxnName) => void,
  ): Promise<TxnEnd> {
    const name = wish.again ?? this.#newName(client);
    const { again, lineage } = wish;
    this.submitted.push({ client, again: again !== undefined, lineage });
    onName?.(name);
    await this.before?.(name);
    if (this.mood === "silent") return { outcome: "unknown", name, why: "no primary answered" };
    const end = this.#execute(name, wish);
    await this.after?.(name);
    return end;
  }

  #newName(client: number): TxnName {
    const session = this.#ns.get(client) ?? { sid: 2n ** 60n + ++this.#sessions, n: 0 };
    this.#ns.set(client, session);
    session.n += 1;
    return { sid: session.sid, n: session.n };
  }

  #execute(name: TxnName, wish: TxnWish): TxnEnd {
    const known = this.ended.get(textOf(name));
    if (known !== undefined) return known;
    const end = this.#decide(name, wish);
    this.ended.set(textOf(name), end);
    return end;
  }

  #decide(name: TxnName, { reads, writes, lineage }: TxnWish): TxnEnd {
    if (this.mood === "readonly") {
      const why = "too few in-sync copies answer";
      return { outcome: "aborted", name, code: "read_only", why, conflict: undefined };
    }
    if (reads.length > 0 && lineage !== undefined && lineage !== this.lineage) {
      const why = "the database has gone on from an older state";
      return { outcome: "aborted", name, code: "conflict", why, conflict: undefined };
    }
    for (const { key, version } of reads) {
      if ((this.records.get(key)?.version ?? 0n) === version) continue;
      const why = `${key} was changed by another transaction`;
      return { outcome: "aborted", name, code: "conflict", why, conflict: key };
    }
    this.dbseq += 1n;
    for (const { key, value } of writes) this.write(key, value);
    const { dbseq } = this;
    return { outcome: "committed", name, seq: dbseq + 100n, dbseq, isBehind: false };
  }

  /** As if another transaction did; `dbseq` is the caller's. */
  write(key: string, value: Uint8Array | undefined): void {
    if (value === undefined || value.length === 0) this.records.delete(key);
    else this.records.set(key, { value, version: this.dbseq });
  }

  /** Another transaction, at once. */
  other(key: string, value: string): void {
    this.dbseq += 1n;
    this.write(key, new TextEncoder().encode(value));
  }

  fate(name: TxnName, finalize: boolean): Promise<TxnFate> {
    const end = this.ended.get(textOf(name));
    if (end?.outcome === "committed") {
      return Promise.resolve({ state: "committed", seq: end.seq, dbseq: end.dbseq });
    }
    if (end !== undefined) return Promise.resolve({ state: "aborted" });
    if (this.mood === "silent") return Promise.resolve({ state: "timeout", why: "nobody" });
    if (!finalize) return Promise.resolve({ state: "not_executed" });
    const rest = { code: "finalized", why: "given up", conflict: undefined } as const;
    this.ended.set(textOf(name), { outcome: "aborted", name, ...rest });
    return Promise.resolve({ state: "aborted" });
  }

  read(keys: readonly string[], how: ReadHow): Promise<CommitRead> {
    this.reads.push(how);
    this.onRead?.();
    const { records, dbseq } = how === "local" && this.old !== undefined ? this.old : this;
    const of = this.lineage === undefined ? {} : { lineage: this.lineage };
    return Promise.resolve({ ok: true, dbseq, values: valuesOf(records, keys), ...of });
  }

  snapshot(_client: number, how: ReadHow): ReturnType<CommitOps["snapshot"]> {
    if (this.snapshots >= SNAPSHOTS) return Promise.resolve(REFUSED);
    const { records, dbseq } = how === "local" && this.old !== undefined ? this.old : this;
    this.snapshots += 1;
    const kept: Records = new Map(records);
    let isOpen = true;
    const snapshot: CommitSnapshotHost = {
      dbseq,
      read: (keys) => ({ ok: true, dbseq, values: valuesOf(kept, keys) }),
      list: async (prefix, visit) => {
        let count = 0;
        for (const [key, { value, version }] of kept) {
          if (!key.startsWith(prefix)) continue;
          await this.beforeRecord?.();
          if (await visit({ key, value, version }) === false) break;
          count += 1;
        }
        return { ok: true, count };
      },
      close: () => {
        if (isOpen) this.snapshots -= 1;
        isOpen = false;
      },
    };
    return Promise.resolve({ ok: true, snapshot });
  }

  seqnum(how: ReadHow): Promise<CommitRead> {
    return this.read([], how);
  }

  look(): CommitLook {
    const { dbseq } = this;
    return {
      kind: "persistent",
      k: 3,
      m: 2,
      primary: 0 as Pnn,
      term: 7n,
      lineage: 2n ** 63n,
      copies: [{ pnn: 0 as Pnn, role: "primary" }, { pnn: 1 as Pnn, role: "in_sync" }],
      own: "primary",
      serving: this.mood === "readonly" ? "readonly" : "serving",
      dbseq,
      lastSeq: dbseq + 100n,
      commitKnown: dbseq + 100n,
      appliedSeq: dbseq + 100n,
      logBytes: 4096,
      fileBytes: 8192,
      cause: undefined,
      isUnsure: false,
      trouble: undefined,
      waiting: 0,
      files: {
        ...{ state: "well", bad: 0, mended: 0, files: 0, scrubbed: 0 },
        ...{ passes: 0, at: 0, pages: 2 },
      },
      counts: { committed: 0, aborted: 0, unknown: 0 },
    };
  }

  /** Gives it to a node as a database of that name. */
  at(host: DataHost, name: string): void {
    const cfg = { dbId: 77 as DbId, name, kind: "persistent", since: 5n as Version } as DbCfg;
    const known = host.database.bind(host);
    const all = host.databases.bind(host);
    const here = {
      cfg,
      since: 5n as Version,
      path: undefined,
      isOver: false,
      commits: this,
      op: (
        _client: number,
        key: string,
        wish: OpWish,
        _untilMs: number,
        on: (e: OpEnd) => void,
      ) => {
        on(this.#op(key, wish));
        return 1;
      },
    } as unknown as DatabaseHost;
    Object.assign(host, {
      database: (wanted: string) => wanted === name ? here : known(wanted),
      databases: () => [...all(), cfg],
    });
  }

  #op(key: string, wish: OpWish): OpEnd {
    const before = this.records.get(key)?.value ?? NO_BYTES;
    if (wish.what === "read") return { what: "answer", outcome: "ok", result: before };
    const run = wish.what === "call" ? PROCEDURES.get(wish.procedure) : undefined;
    if (wish.what !== "call" || run === undefined) {
      const why = "no record of it can be locked";
      return { what: "answer", outcome: "failed", code: "refused", why };
    }
    const ran = run(before, wish.args);
    if (!ran.ok) return { what: "answer", outcome: "failed", code: "refused", why: ran.why };
    this.dbseq += 1n;
    this.write(key, ran.data);
    return { what: "answer", outcome: "ok", result: ran.result };
  }
}

function valuesOf(records: Records, keys: readonly string[]): CommitValue[] {
  return keys.map((key) => {
    const found = records.get(key);
    return { key, value: found?.value, version: found?.version ?? 0n };
  });
}

function textOf({ sid, n }: TxnName): string {
  return `${sid}.${n}`;
}
