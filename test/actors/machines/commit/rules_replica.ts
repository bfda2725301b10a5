/**
 * Directed scenes for the rules of a copy, and of the leader's planner. Each answers whether the promise held.
 *
 * Does NOT promise: that a scene shows all that a rule is for.
 */
import { mFor } from "../../../../actors/machines/commit/placement.ts";
import type { PlanInput, PlanNode } from "../../../../actors/machines/commit/placement.ts";
import { decideWish, plan } from "../../../../actors/machines/commit/planner.ts";
import type { CommitConfig } from "../../../../actors/machines/commit/config.ts";
import type { Hello } from "../../../../actors/machines/commit/events.ts";
import { NOWHERE, placeAfter } from "../../../../actors/machines/commit/log.ts";
import type { CommitRuleName, CommitRules } from "../../../../actors/machines/commit/rules.ts";
import { SimDisk } from "../../../../actors/machines/sim/commits/disk.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import { isBehind } from "../../../../transport/wire/commit/reach.ts";
import type { Incarnation, Pnn, Token } from "../../../../transport/wire/terms.ts";
import { chainOf, config, group, LINEAGE, type Of, Rig, version } from "./rig.ts";
import type { Scene } from "./rules_primary.ts";

const OLD = chainOf([{ kind: "start" }, { kind: "start" }, { kind: "start" }, { kind: "start" }]);

/** A copy with the log OLD, of which nothing is known as committed, under primary 1. */
function copy(rules: CommitRules, entries: readonly Entry[] = OLD): Rig {
  const rig = new Rig(rules, { entries, highTerm: 4n });
  rig.decree(config({ primary: 1 as Pnn }));
  return rig;
}

/** The primary sends entries after a place. */
function append(
  after: Entry | undefined,
  entries: readonly Entry[],
  rest: Partial<Of<"append">> = {},
): Of<"append"> {
  const { seq: prevSeq, chain: prevChain } = after === undefined ? NOWHERE : placeAfter(after);
  const base = {
    kind: "append",
    term: version(5),
    lineage: LINEAGE,
    commit: 0n,
    readNo: 0,
  } as const;
  return { ...base, prevSeq, prevChain, entries: [...entries], ...rest };
}

/** The scenes of a copy. */
export const REPLICA_SCENES: Partial<Record<CommitRuleName, Scene>> = {
  isTermHeard: (rules) => {
    const rig = copy(rules);
    rig.hear(1, append(OLD.at(-1), []));
    rig.hear(2, append(OLD.at(-1), [], { term: version(4) }));
    return rig.last("appended").outcome === "reject";
  },
  acksAfterDisk: (rules) => {
    const rig = copy(rules);
    rig.isQuick = false;
    rig.hear(1, append(OLD.at(-1), chainOf([{ kind: "start" }], OLD)));
    return rig.all("appended").length === 0;
  },
  tellsDurable: (rules) => {
    const rig = copy(rules);
    rig.isQuick = false;
    rig.hear(1, append(OLD.at(-1), chainOf([{ kind: "start" }], OLD)));
    const { lastSeq, lastChain } = rig.machine.hello();
    return lastSeq === 4n && lastChain === OLD.at(-1)?.chain;
  },
  fencesAck: (rules) => {
    const rig = copy(rules);
    rig.isQuick = false;
    const mine = chainOf([{ kind: "start", term: 5n }], OLD);
    const others = chainOf([{ kind: "start", term: 6n }], OLD);
    rig.hear(1, append(OLD.at(-1), mine));
    rig.hear(2, append(OLD.at(-1), others, { term: version(6) }));
    rig.sync();
    const oks = rig.all("appended").filter(({ outcome }) => outcome === "ok");
    return rig.breach === undefined && oks.every(({ term }) => term === version(6));
  },
  comparesChain: (rules) => {
    const rig = copy(rules);
    const other = chainOf([{ kind: "start", term: 3n }], OLD.slice(0, 3));
    const next = chainOf([{ kind: "start", term: 5n }], [...OLD.slice(0, 3), ...other]);
    rig.hear(1, append(other[0], next));
    return rig.last("appended").outcome === "hint";
  },
  acksCompared: (rules) => {
    const rig = copy(rules);
    rig.hear(1, append(OLD[1], []));
    return rig.last("appended").seq === 2n;
  },
  appliesCommitted: (rules) => {
    const writes = [{ key: "k", value: new Uint8Array([1]) }];
    const rig = copy(rules, []);
    rig.hear(1, append(undefined, chainOf([{ kind: "start" }, group(1n, 1, writes)])));
    return !rig.file.has("k");
  },
  keepsLongLog: (rules) => {
    const rig = copy(rules);
    const { lineage, epoch } = rig.machine.state.replica;
    rig.hear(1, { kind: "too_old", term: version(5), lineage, first: 3n });
    // It is no member yet, as far as it knows; and it has acknowledged all four.
    rig.decree(config({ primary: 1 as Pnn, isr: [{ pnn: 1 as Pnn, id: "d1" }] }));
    rig.hear(1, { kind: "too_old", term: version(5), lineage, first: 3n });
    const place = placeAfter(OLD[2] as Entry);
    rig.tell({ kind: "caught_up", epoch, copy: { lineage, place, sessions: { sessions: [] } } });
    const kinds = rig.effects.map(({ kind }) => kind);
    if (!kinds.includes("catch_up")) throw new Error("it did not ask for pages");
    return kinds.includes("discard") && !kinds.includes("install");
  },
};

/** What a node tells of its copy: it has ten entries, and all is well. */
export function hello(pnn: number, rest: Partial<Hello> = {}): Hello {
  return {
    id: `d${pnn}`,
    lineage: LINEAGE,
    lastSeq: 10n,
    lastTerm: 5n,
    lastChain: 1n,
    isDamaged: false,
    applied: 10n,
    commitKnown: 10n,
    isFull: false,
    ...rest,
  };
}

/** A node that is heard. */
export function planNode(pnn: number, rest: Partial<PlanNode> = {}): PlanNode {
  return {
    pnn: pnn as Pnn,
    incarnation: 1n as Incarnation,
    zone: "",
    isAlive: true,
    silentMs: 0,
    overInc: 0n,
    hello: hello(pnn),
    ...rest,
  };
}

/** What the leader goes by; three nodes that are well, when nothing else is said. */
export function planInput(
  rules: CommitRules,
  rest: Partial<CommitConfig> = {},
  nodes: readonly PlanNode[] = [planNode(0), planNode(1), planNode(2)],
): PlanInput {
  return { config: config(rest), nodes, version: version(8), random: 1n << 40n, rules };
}

const DEAD = { isAlive: false, silentMs: 5_000 };
const wish = (rest: Partial<Of<"want_isr">>): Of<"want_isr"> => ({
  kind: "want_isr",
  term: version(5),
  token: 77n as Token,
  reqNo: 1,
  pnn: 2 as Pnn,
  id: "d2",
  ...rest,
});

/** The scenes of the planner. */
export const PLANNER_SCENES: Partial<Record<CommitRuleName, Scene>> = {
  isWishNew: (rules) => {
    // Add was asked, then drop; the drop was decided, and the add comes late.
    const input = planInput(rules, { reqSeen: 2 });
    return decideWish(input, 0 as Pnn, 77n as Token, wish({ reqNo: 1 })) === undefined;
  },
  isWishOfNow: (rules) => {
    const late = decideWish(planInput(rules), 0 as Pnn, 78n as Token, wish({}));
    const old = wish({ term: version(4) });
    return late === undefined &&
      decideWish(planInput(rules), 0 as Pnn, 77n as Token, old) === undefined;
  },
  mayShrink: (rules) => {
    const nodes = [planNode(0), planNode(1, DEAD), planNode(2)];
    return plan(planInput(rules, {}, nodes)).what === "nothing";
  },
  mayLead: (rules) => {
    const longer = hello(2, { lastSeq: 99n });
    const nodes = [planNode(0, DEAD), planNode(1, DEAD), planNode(2, { hello: longer })];
    return plan(planInput(rules, {}, nodes)).what === "wait";
  },
  avoidsDamaged: (rules) => {
    const damaged = hello(1, { isDamaged: true });
    const nodes = [planNode(0, DEAD), planNode(1, { hello: damaged }), planNode(2)];
    return plan(planInput(rules, {}, nodes)).what === "wait";
  },
  keepsProof: (rules) => {
    const disk = new SimDisk("d0", rules);
    const dice = new SeededDice(1);
    const write = (id: number, entries: readonly Entry[]) => {
      disk.queue({ kind: "write", epoch: 1, id, entries });
    };
    const isDamaged = () => isBehind(OLD[disk.log.length - 1] as Entry, disk.open().proven);
    write(1, OLD);
    disk.sync(1);
    const wasLost = disk.damage(dice) && isDamaged();
    // It is being filled again, and dies over the first entry.
    write(2, OLD.slice(disk.log.length, disk.log.length + 1));
    disk.crash({ u32: () => 0, chance: () => true, below: () => 0 }, true);
    const isKnown = isDamaged();
    write(3, OLD.slice(disk.log.length));
    disk.sync(1);
    return wasLost && isKnown && !isDamaged() && disk.isWhole;
  },
  renewsTerm: (rules) => {
    const restarted = { incarnation: 2n as Incarnation };
    const nodes = [planNode(0, restarted), planNode(1), planNode(2)];
    const next = plan(planInput(rules, {}, nodes));
    return next.what === "change" && next.config.term === version(8) &&
      next.config.primary === 0;
  },
  waitsForSilent: (rules) => {
    const blank = (pnn: number) => hello(pnn, { id: "2", lineage: 0n });
    const isr = [{ pnn: 0 as Pnn, id: "1" }, { pnn: 1 as Pnn, id: "1" }];
    const nodes = [
      planNode(0, DEAD),
      planNode(1, { incarnation: 2n as Incarnation, overInc: 1n, hello: blank(1) }),
      planNode(2, { hello: blank(2) }),
    ];
    const next = plan(planInput(rules, { kind: "replicated", isr, m: mFor(2) }, nodes));
    return next.what === "wait";
  },
};
