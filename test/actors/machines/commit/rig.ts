/**
 * One commit machine, fed by hand: what it sends is kept, its disk ends when the test says so.
 *
 * Node 0 is the machine's; its life is 1. Others are 1, 2, ..., each with the disk `d` and its number.
 *
 * Does NOT promise: that what a test makes other nodes say is what they would say.
 */
import { sealEntry, versionAt } from "../../../../transport/wire/commit/entry.ts";
import type { CommitWrite, Entry, EntryBody } from "../../../../transport/wire/commit/entry.ts";
import { NO_REACH } from "../../../../transport/wire/commit/reach.ts";
import type { CommitMessage } from "../../../../transport/wire/messages/commit.ts";
import type { DbId, Incarnation, NodeId, Pnn } from "../../../../transport/wire/terms.ts";
import type { Token, Version } from "../../../../transport/wire/terms.ts";
import type { CommitConfig } from "../../../../actors/machines/commit/config.ts";
import type {
  CommitEffect,
  CommitEvent,
  Opened,
} from "../../../../actors/machines/commit/events.ts";
import { CommitMachine } from "../../../../actors/machines/commit/machine.ts";
import { NOWHERE, placeAfter } from "../../../../actors/machines/commit/log.ts";
import type { CommitRules } from "../../../../actors/machines/commit/rules.ts";
import { defaultCommitTiming } from "../../../../actors/machines/commit/tunables.ts";
import type { CommitTiming } from "../../../../actors/machines/commit/tunables.ts";

/** The history that all begin with. */
export const LINEAGE = 7n;

/** A message of one kind. */
export type Of<Kind extends CommitMessage["kind"]> = Extract<CommitMessage, { kind: Kind }>;

/** A version, from a number. */
export function version(number: number): Version {
  return BigInt(number) as Version;
}

/** A database: node 0 leads in term 5; 0 and 1 are in sync, 2 keeps a copy. */
export function config(rest: Partial<CommitConfig> = {}): CommitConfig {
  return {
    dbId: 1 as DbId,
    kind: "persistent",
    k: 3,
    m: 2,
    lineage: LINEAGE,
    replicas: [0, 1, 2] as Pnn[],
    primary: 0 as Pnn,
    primaryInc: 1n as Incarnation,
    term: version(5),
    isr: [{ pnn: 0 as Pnn, id: "d0" }, { pnn: 1 as Pnn, id: "d1" }],
    reqSeen: 0,
    ...rest,
  };
}

/** Entries one after the other, from the begin or after others. */
export function chainOf(
  bodies: readonly (Partial<EntryBody> & Pick<EntryBody, "kind">)[],
  after: readonly Entry[] = [],
): Entry[] {
  const made: Entry[] = [];
  for (const body of bodies) {
    const last = made.at(-1) ?? after.at(-1);
    const { seq, dbseq, chain } = last === undefined ? NOWHERE : placeAfter(last);
    const base = { lineage: LINEAGE, term: 4n, seq: seq + 1n, dbseqFirst: dbseq + 1n };
    made.push(sealEntry({ ...base, prevChain: chain, txns: [], ...body }));
  }
  return made;
}

/** One machine. */
export class Rig {
  readonly machine: CommitMachine;
  readonly file = new Map<string, bigint>();
  sent: { readonly to: number; readonly message: CommitMessage }[] = [];
  effects: CommitEffect[] = [];
  nowMs = 1000;
  /** Does the disk end at once what was begun? */
  isQuick = true;
  #waiting: CommitEffect[] = [];

  constructor(rules: CommitRules, disk: Partial<Opened> = {}, timing: Partial<CommitTiming> = {}) {
    this.machine = new CommitMachine({
      store: { versionOf: (key) => this.file.get(key) ?? 0n },
      timing: { ...defaultCommitTiming(), ...timing },
      rules,
    });
    this.tell({
      kind: "opened",
      disk: {
        nodeId: "0".repeat(32) as NodeId,
        pnn: 0 as Pnn,
        incarnation: 1n,
        id: "d0",
        lineage: LINEAGE,
        highTerm: 0n,
        applied: NOWHERE,
        sessions: { sessions: [] },
        entries: [],
        first: 1n,
        proven: NO_REACH,
        isFresh: false,
        ...disk,
      },
    });
  }

  /** The document says. */
  decree(config: CommitConfig): void {
    const leader = { pnn: 9 as Pnn, token: 77n as Token };
    const members = [0, 1, 2].map((pnn) => ({ pnn: pnn as Pnn, incarnation: 1n as Incarnation }));
    this.tell({ kind: "config", config, leader, members });
  }

  /** Another node says. */
  hear(from: number, message: CommitMessage, life = 1n): void {
    const member = { pnn: from as Pnn, incarnation: life as Incarnation };
    this.tell({ kind: "message", from: member, message });
  }

  /** A copy acknowledges all that it can have been sent, or up to a seq. */
  ack(
    from: number,
    seq = this.machine.state.replica.log.last,
    rest: Partial<Of<"appended">> = {},
  ): void {
    const { term } = this.machine.state.config ?? config();
    const readNo = this.machine.state.primary?.readNo ?? 0;
    const base = { kind: "appended", term, id: `d${from}`, outcome: "ok" } as const;
    this.hear(from, { ...base, seq, readNo, highTerm: term, ...rest });
  }

  /** Hands in an event. */
  tell(event: CommitEvent): void {
    const effects = this.machine.step(event, this.nowMs);
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === "send") this.sent.push({ to: effect.to, message: effect.message });
      else this.#waiting.push(effect);
    }
    if (this.isQuick) this.sync();
  }

  /** The disk ends what was begun. */
  sync(): void {
    for (let effect = this.#waiting.shift(); effect !== undefined; effect = this.#waiting.shift()) {
      if (effect.kind === "write") {
        this.tell({ kind: "written", epoch: effect.epoch, id: effect.id });
      } else if (effect.kind === "apply") this.#apply(effect.entries, effect.epoch);
      else if (effect.kind === "checkpoint") {
        this.tell({ kind: "checkpointed", epoch: effect.epoch, seq: effect.seq });
      }
    }
  }

  #apply(entries: readonly Entry[], epoch: number): void {
    for (const { lineage, txns, dbseqFirst } of entries) {
      for (const [at, { writes }] of txns.entries()) {
        for (const { key } of writes) {
          this.file.set(key, versionAt(lineage, dbseqFirst + BigInt(at)));
        }
      }
    }
    const { seq, dbseq } = placeAfter(entries.at(-1) as Entry);
    this.tell({ kind: "applied", epoch, seq, dbseq });
  }

  /** Time passes. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.machine.wakeMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.machine.wakeMs);
      this.tell({ kind: "wake" });
    }
    this.nowMs = endMs;
    this.tell({ kind: "wake" });
  }

  /** The messages of a kind that were sent, the oldest first. */
  all<Kind extends CommitMessage["kind"]>(kind: Kind): Of<Kind>[] {
    return this.sent.map(({ message }) => message)
      .filter((message): message is Of<Kind> => message.kind === kind);
  }

  /** The last message of a kind; throws when there is none. */
  last<Kind extends CommitMessage["kind"]>(kind: Kind): Of<Kind> {
    const found = this.all(kind).at(-1);
    if (found === undefined) throw new Error(`no ${kind} was sent`);
    return found;
  }

  /** Was an assert broken? */
  get breach(): string | undefined {
    return this.machine.state.breach;
  }

  /** Results of a transaction, as they were sent to another node. */
  results(n: number): Of<"result">[] {
    return this.all("result").filter((one) => one.n === n);
  }
}

/** A primary that serves, with a session of node 2: answers its sid. */
export function serving(
  rules: CommitRules,
  timing: Partial<CommitTiming> = {},
): { rig: Rig; sid: bigint } {
  const rig = new Rig(rules, {}, timing);
  rig.decree(config());
  rig.ack(1);
  rig.hear(2, { kind: "open", term: version(5), number: 1 });
  rig.ack(1);
  return { rig, sid: rig.last("opened").sid };
}

/** A transaction of node 2. */
export function submit(sid: bigint, n: number, rest: Partial<Of<"submit">> = {}): Of<"submit"> {
  const writes = [{ key: "k", value: new Uint8Array([n]) }];
  return { kind: "submit", term: version(5), sid, n, doneUpTo: 0, reads: [], writes, ...rest };
}

/** A group with one transaction. */
export function group(sid: bigint, n: number, writes: readonly CommitWrite[]) {
  return { kind: "group", txns: [{ sid, n, doneUpTo: 0, writes }] } as const;
}
