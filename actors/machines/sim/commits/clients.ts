/**
 * Clients of a simulated run, and the ledger of what they wanted, saw and were told.
 *
 *   transaction (reads here, writes)  ──▶ committed | aborted | unknown ──▶ asked again, or its status
 *   read of what is committed now     ──▶ values                     read of what is here ──▶ values
 *
 * Each value that a transaction writes is its own tag, so a value tells which transaction made it.
 *
 * Does NOT promise: that a client is clever; it does not retry what was aborted.
 */
import type { AbortCode } from "../../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../../transport/wire/messages/document.ts";
import type { CommitEffect, Txid, TxnOutcome, TxnStatus, Wish } from "../../commit/events.ts";
import { SEQNUM_KEY } from "../../commit/group.ts";
import type { CommitHost } from "./commit_host.ts";
import type { CommitSim } from "./commit_sim.ts";
import { valueOf } from "./disk.ts";

/** What was seen of keys. */
export type Seen = ReadonlyMap<string, string | undefined>;

/** A transaction, over all its tries. */
export interface LedgerTxn {
  readonly tag: string;
  readonly node: number;
  readonly wish: Wish;
  /** What it read, and depends on. */
  readonly seen: Seen;
  readonly submitMs: number;
  readonly lineage: bigint;
  txid: Txid | undefined;
  committed: { readonly atMs: number; readonly dbseq: bigint; readonly seq: bigint } | undefined;
  abortedMs: number | undefined;
  /** The history in which it was told so: what was given up of that may be there after all. */
  abortedIn: bigint;
  /** Why, when it was told at once. */
  code: AbortCode | undefined;
  /** Tries that are under way. */
  open: number;
  isUnknown: boolean;
}

/** A read. */
export interface LedgerRead {
  readonly node: number;
  readonly isNow: boolean;
  readonly beginMs: number;
  readonly endMs: number;
  readonly dbseq: bigint;
  readonly lineage: bigint;
  readonly seen: Seen;
}

/** How clients of a run behave. */
export interface Manners {
  keys: number;
  thinkMs: number;
  perNode: number;
  deadlineMs: readonly number[];
  isActive: boolean;
  /** Chances in 100. */
  legacy: number;
  deletes: number;
  reads: number;
  /** Chances in 1000 that a client is gone after an operation. */
  dies: number;
}

/** How clients behave of whom nothing else is said. */
export function plainManners(): Manners {
  return {
    keys: 5,
    thinkMs: 200,
    perNode: 2,
    deadlineMs: [500, 2_000, 8_000],
    isActive: true,
    legacy: 10,
    deletes: 20,
    reads: 30,
    dies: 5,
  };
}

type ClientEffect = Extract<CommitEffect, { kind: "answer" | "told" | "readable" }>;

/** The clients. */
export class Clients {
  readonly sim: CommitSim;
  readonly txns: LedgerTxn[] = [];
  readonly reads: LedgerRead[] = [];
  manners = plainManners();
  /** What nodes have shown: nothing older may be shown there. */
  readonly #shown = new Map<number, { lineage: bigint; dbseq: bigint }>();
  readonly #open = new Map<
    number,
    { readonly node: number; end: (effect?: ClientEffect) => void }
  >();
  #nextId = 1;
  #nextClient = 1;

  constructor(sim: CommitSim) {
    this.sim = sim;
  }

  /** Requests without an end. */
  get open(): number {
    return this.#open.size;
  }

  onStarted(host: CommitHost): void {
    for (let at = 0; at < this.manners.perNode; at++) this.#live(host, this.#nextClient++);
  }

  /** A client works until its node's life is over. */
  #live(host: CommitHost, client: number): void {
    const { dice } = this.sim;
    const { thinkMs, dies } = this.manners;
    host.later(dice.below(2 * thinkMs), () => {
      // Programs go before their node is stopped.
      if (!this.manners.isActive || this.sim.going.get(host.pnn) === "stops") return;
      if (dice.chance(dies, 1000)) {
        host.tell({ kind: "client_gone", client });
        return this.#live(host, this.#nextClient++);
      }
      this.#act(host, client, () => this.#live(host, client));
      // Some do not wait for what they have asked.
      if (dice.chance(1, 4)) this.#act(host, client, () => {});
    });
  }

  #act(host: CommitHost, client: number, then: () => void): void {
    const { dice } = this.sim;
    if (dice.below(100) < this.manners.reads) {
      if (dice.chance(1, 2)) return this.readNow(host, then);
      this.#readHere(host);
      return then();
    }
    const doubtful = this.txns.filter(({ isUnknown, txid, open }) =>
      isUnknown && txid !== undefined && open === 0
    );
    const old = doubtful.at(-1 - dice.below(5));
    if (old !== undefined && dice.chance(1, 3)) return this.#resolve(host, old, then);
    this.transact(host, client, this.#draw(host), then);
  }

  /** What keys hold here, or undefined when nothing may be read. */
  look(host: CommitHost, keys: readonly string[]): Seen | undefined {
    if (host.machine?.mayRead !== true) return undefined;
    return new Map(keys.map((key) => [key, host.disk.file.get(key)?.value]));
  }

  #keys(max: number): string[] {
    const { dice } = this.sim;
    const count = dice.below(max + 1);
    const keys = Array.from({ length: count }, () => `k${dice.below(this.manners.keys)}`);
    return [...new Set(keys)];
  }

  #draw(host: CommitHost): { wish: Wish; seen: Seen; tag: string } {
    const { dice } = this.sim;
    const tag = `t${this.txns.length}`;
    const seen = this.look(host, this.#keys(3)) ?? new Map();
    const isLegacy = dice.below(100) < this.manners.legacy;
    const reads = [...seen.keys()].map((key) => ({
      key,
      version: host.disk.file.get(key)?.rsn ?? 0n,
    }));
    const first = `k${dice.below(this.manners.keys)}`;
    const writes = [{ key: first, value: valueOf(tag) as Uint8Array | undefined }];
    for (const key of this.#keys(2)) {
      if (key === first) continue;
      const isDelete = dice.below(100) < this.manners.deletes;
      writes.push({ key, value: isDelete ? undefined : valueOf(tag) });
    }
    if (!isLegacy) return { wish: { reads, writes }, seen, tag };
    const next = new Uint8Array(8);
    new DataView(next.buffer).setBigUint64(0, host.disk.applied.dbseq + 1n, true);
    return {
      wish: { reads: [], writes: [...writes, { key: SEQNUM_KEY, value: next }] },
      seen,
      tag,
    };
  }

  /** A client commits. */
  transact(
    host: CommitHost,
    client: number,
    { wish, seen, tag }: { wish: Wish; seen: Seen; tag: string },
    then: (txn: LedgerTxn) => void,
  ): LedgerTxn {
    const txn: LedgerTxn = {
      tag,
      node: host.pnn,
      wish,
      seen,
      submitMs: this.sim.nowMs,
      lineage: host.machine?.state.replica.lineage ?? 0n,
      txid: undefined,
      committed: undefined,
      abortedMs: undefined,
      abortedIn: 0n,
      code: undefined,
      open: 0,
      isUnknown: false,
    };
    this.txns.push(txn);
    this.#submit(host, client, txn, then);
    return txn;
  }

  #submit(
    host: CommitHost,
    client: number,
    txn: LedgerTxn,
    then: (txn: LedgerTxn) => void,
    again?: Txid,
  ): void {
    const id = this.#nextId++;
    const { nowMs, dice } = this.sim;
    const { deadlineMs } = this.manners;
    txn.open += 1;
    this.#open.set(id, {
      node: host.pnn,
      end: (effect) => {
        txn.open -= 1;
        if (effect?.kind === "answer") {
          txn.txid ??= effect.txid;
          this.#note(host, txn, effect.result);
        } else {
          txn.txid ??= host.machine?.state.asking.asked.get(id)?.txid;
          if (txn.committed === undefined && txn.abortedMs === undefined) txn.isUnknown = true;
        }
        if (effect !== undefined) then(txn);
      },
    });
    const limit = deadlineMs[dice.below(deadlineMs.length)] ?? 2_000;
    const base = { id, client, wish: txn.wish, deadlineMs: nowMs + limit, lineage: txn.lineage };
    host.tell({ kind: "transaction", ...base, ...(again === undefined ? {} : { again }) });
  }

  #note(host: CommitHost, txn: LedgerTxn, result: TxnOutcome): void {
    if (result.outcome === "committed") {
      this.#committed(txn, result.seq, result.dbseq);
      if (!result.isBehind) this.#show(host, result.dbseq);
    } else if (result.outcome === "aborted") {
      this.#aborted(host, txn);
      txn.code ??= result.code;
    } else if (txn.committed === undefined && txn.abortedMs === undefined) txn.isUnknown = true;
  }

  #committed(txn: LedgerTxn, seq: bigint, dbseq: bigint): void {
    const { nowMs } = this.sim;
    txn.isUnknown = false;
    if (txn.committed !== undefined && txn.committed.dbseq !== dbseq) {
      this.sim.report("twice", `${txn.tag} is told as ${txn.committed.dbseq} and as ${dbseq}`);
    }
    txn.committed ??= { atMs: nowMs, seq, dbseq };
    this.sim.onAck?.();
  }

  /** Somebody, at any node, wants to know what became of a transaction. */
  #resolve(host: CommitHost, txn: LedgerTxn, then: () => void): void {
    const { dice, nowMs } = this.sim;
    const { txid } = txn;
    if (txid === undefined) return then();
    if (dice.chance(1, 2)) return this.#submit(host, 0, txn, then, txid);
    const id = this.#nextId++;
    txn.open += 1;
    this.#open.set(id, {
      node: host.pnn,
      end: (effect) => {
        txn.open -= 1;
        if (effect?.kind === "told") this.#told(host, txn, effect.status);
        if (effect !== undefined) then();
      },
    });
    const finalize = dice.chance(2, 3);
    host.tell({ kind: "status", id, txid, finalize, deadlineMs: nowMs + 3_000 });
  }

  #aborted({ machine }: CommitHost, txn: LedgerTxn): void {
    txn.abortedMs ??= this.sim.nowMs;
    txn.abortedIn = machine?.state.replica.lineage ?? 0n;
    txn.isUnknown = false;
  }

  #told(host: CommitHost, txn: LedgerTxn, status: TxnStatus): void {
    if (status.state === "committed") this.#committed(txn, status.seq, status.dbseq);
    else if (status.state === "aborted") this.#aborted(host, txn);
    else if (status.state === "session_expired" || status.state === "forgotten") {
      // Nobody can tell any more.
      txn.isUnknown = false;
    }
  }

  /** A read of what is committed now. */
  readNow(host: CommitHost, then: () => void): void {
    const id = this.#nextId++;
    const beginMs = this.sim.nowMs;
    this.#open.set(id, {
      node: host.pnn,
      end: (effect) => {
        if (effect?.kind === "readable" && effect.seq !== undefined) this.#saw(host, true, beginMs);
        if (effect !== undefined) then();
      },
    });
    host.tell({ kind: "read", id, deadlineMs: beginMs + 3_000 });
  }

  #readHere(host: CommitHost): void {
    this.#saw(host, false, this.sim.nowMs);
  }

  #saw(host: CommitHost, isNow: boolean, beginMs: number): void {
    const { nowMs } = this.sim;
    const seen = this.look(host, this.#keys(4));
    if (seen === undefined) return;
    const { dbseq } = host.disk.applied;
    const { lineage } = host.disk;
    this.reads.push({ node: host.pnn, isNow, beginMs, endMs: nowMs, dbseq, lineage, seen });
    const shown = this.#shown.get(host.pnn);
    if (shown !== undefined && shown.lineage === lineage && dbseq < shown.dbseq) {
      this.sim.report("back", `n${host.pnn} shows ${dbseq}, and showed ${shown.dbseq} before`);
    }
    this.#show(host, dbseq);
  }

  #show(host: CommitHost, dbseq: bigint): void {
    const { lineage } = host.disk;
    const shown = this.#shown.get(host.pnn);
    const isMore = shown?.lineage !== lineage || shown.dbseq < dbseq;
    if (isMore) this.#shown.set(host.pnn, { lineage, dbseq });
  }

  onEffect(_host: CommitHost, effect: ClientEffect): void {
    const one = this.#open.get(effect.id);
    if (one === undefined) {
      return this.sim.report("answers", `${effect.kind} of ${effect.id} twice`);
    }
    this.#open.delete(effect.id);
    one.end(effect);
  }

  /** All clients of the node are gone with it. */
  onCrash({ pnn }: CommitHost): void {
    for (const [id, one] of this.#open) {
      if (one.node !== pnn) continue;
      this.#open.delete(id);
      one.end();
    }
  }

  /** Requests that are still open, each with its node. */
  openAt(lives: readonly Member[]): number {
    const nodes = new Set(lives.map(({ pnn }) => pnn as number));
    return [...this.#open.values()].filter(({ node }) => nodes.has(node)).length;
  }
}
