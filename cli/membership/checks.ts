/**
 * What is looked at before a machine becomes a node, and what it means: facts in, checks with texts out.
 *
 *   invitation ─ home ─ space ─ version ─ NATS ─ cluster (majority, clock, invitation known, name, number, address)
 *
 * Does NOT promise: that it is still so a moment later; the cluster itself decides when it is asked to.
 */

import { EXIT, type ExitCode } from "../exit_codes.ts";
import { Failure } from "../failure.ts";

/** Clocks may be apart by so much, ms: logs and expiries would mislead beyond. */
export const SKEW_MAX_MS = 2000;
/** Space that a node needs to begin with, bytes. */
export const SPACE_MIN = 64 * 1024 * 1024;
/** The bus's word for a subject on which a key may not speak (transport/real_bus_refusals.ts). */
const FORBIDDEN = "the server forbids it";
const MADE_ANEW = "make another one: `ctdbx cluster invite NAME`";

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, a phrase. */
  readonly text: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
  /** The exit code when it stands in the way. */
  readonly exit?: ExitCode | undefined;
}

/** What lies where the node shall be. */
export type HomeFound =
  | { readonly is: "empty" }
  /** This very command has begun there. */
  | { readonly is: "begun"; readonly at: string | undefined }
  | {
    readonly is: "other";
    readonly text: string;
    readonly hint: string;
    /** Conflict when absent. */
    readonly exit?: ExitCode;
  };

/** What a node of the cluster says to who wants to join. */
export interface PreflightAnswer {
  readonly cluster: string;
  readonly clusterId: string;
  readonly format: number;
  readonly formatMax: number;
  readonly software: string;
  readonly wallMs: number;
  readonly leader?: string;
  readonly hasMajority: boolean;
  readonly members: number;
  readonly nodes: number;
  readonly invitation: "open" | "mine" | "used" | "expired" | "unknown";
  readonly name?: string;
  readonly pnn?: number;
  readonly refusal?: string;
}

/** What was found before a join. */
export interface JoinFacts {
  readonly invitation: {
    readonly cluster: string;
    readonly clusterId: string;
    readonly name: string;
    readonly pnn: number;
    readonly format: number;
    readonly expiresWallMs: number;
    readonly servers: readonly string[];
  };
  /** The newest format that this program knows. */
  readonly formatMax: number;
  readonly home: HomeFound;
  /** The folder of its files. */
  readonly folder: string;
  /** Bytes that are free there; undefined: the system does not say. */
  readonly freeBytes: number | undefined;
  readonly nowWallMs: number;
  /** Why NATS is not reached; undefined: it is. */
  readonly natsTrouble: string | undefined;
  /** Undefined: no node has answered. */
  readonly answer: PreflightAnswer | undefined;
  /** Why not. */
  readonly answerTrouble: string | undefined;
  /** This clock less the cluster's, ms; undefined: nobody has answered. */
  readonly skewMs: number | undefined;
}

/** The checks of a join, all of them that could be made. */
export function judgeJoin(facts: JoinFacts): Check[] {
  const own = [judgeHome(facts), judgeSpace(facts), judgeFormat(facts)];
  const nats = judgeNats(facts);
  const { answer } = facts;
  if (!nats.ok) return [...own, judgeExpiry(facts), nats];
  if (answer === undefined) return [...own, judgeExpiry(facts), nats, judgeSilence(facts)];
  return [...own, nats, ...judgeCluster(facts, answer)];
}

/** The checks of a new cluster. */
export function judgeCreate(facts: Pick<JoinFacts, "home" | "folder" | "freeBytes">): Check[] {
  return [judgeHome(facts), judgeSpace(facts)];
}

function judgeHome({ home, folder }: Pick<JoinFacts, "home" | "folder">): Check {
  const name = "home";
  switch (home.is) {
    case "empty":
      return { name, ok: true, text: `${folder} is free` };
    case "begun": {
      const when = home.at === undefined ? "" : `, last at ${home.at}`;
      return { name, ok: true, text: `this was begun in ${folder}${when}: it goes on` };
    }
    case "other":
      return {
        name,
        ok: false,
        text: home.text,
        hint: home.hint,
        exit: home.exit ?? EXIT.conflict,
      };
  }
}

function judgeSpace({ freeBytes, folder }: Pick<JoinFacts, "freeBytes" | "folder">): Check {
  const name = "space";
  if (freeBytes === undefined) return { name, ok: true, text: "the system does not say how much" };
  const mib = (bytes: number) => `${Math.floor(bytes / 1024 / 1024)} MiB`;
  if (freeBytes >= SPACE_MIN) return { name, ok: true, text: `${mib(freeBytes)} are free` };
  return {
    name,
    ok: false,
    text: `only ${mib(freeBytes)} are free at ${folder}, ${mib(SPACE_MIN)} must be`,
    hint: "free some space, or choose another place with --home",
    exit: EXIT.noSpace,
  };
}

function judgeFormat({ invitation: { format }, formatMax, answer }: JoinFacts): Check {
  const name = "version";
  const needed = Math.max(format, answer?.format ?? 0);
  if (formatMax >= needed) return { name, ok: true, text: `format ${needed} is known here` };
  return {
    name,
    ok: false,
    text: `the cluster has format ${needed}, this ctdbx knows up to ${formatMax}`,
    hint: "install the version of ctdbx that the cluster runs",
    exit: EXIT.version,
  };
}

function judgeNats({ natsTrouble, invitation: { servers } }: JoinFacts): Check {
  const name = "nats";
  if (natsTrouble === undefined) {
    return { name, ok: true, text: `connected at ${servers.join(" or ")}` };
  }
  const isRefused = /authori[sz]ation|permission|credential|not let in|refuses the key/i
    .test(natsTrouble);
  return {
    name,
    ok: false,
    text: natsTrouble,
    hint: isRefused
      ? "the server does not know this key: the invitation was taken back, has expired or is used up"
      : "check that this machine reaches the servers; --server HOST:PORT names others",
    exit: isRefused ? EXIT.denied : EXIT.other,
  };
}

/** What this machine's clock says of the invitation, when nobody else can. */
function judgeExpiry({ invitation: { expiresWallMs }, nowWallMs }: JoinFacts): Check {
  const name = "invitation";
  if (expiresWallMs > nowWallMs) return { name, ok: true, text: "whole, and good for a while" };
  return expired(Math.round((nowWallMs - expiresWallMs) / 1000));
}

function expired(agoS: number): Check {
  return {
    name: "invitation",
    ok: false,
    text: `it expired ${agoS} s ago`,
    hint: MADE_ANEW,
    exit: EXIT.conflict,
  };
}

function judgeSilence({ answerTrouble, invitation: { cluster } }: JoinFacts): Check {
  // The server lets a node that has gone speak to nodes, and no more; whoever is awaited may ask.
  if (answerTrouble?.endsWith(FORBIDDEN) === true) {
    return {
      name: "cluster",
      ok: false,
      text: `its key may not ask the nodes of ${cluster}: it was used, and its node has gone since`,
      hint: MADE_ANEW,
      exit: EXIT.conflict,
    };
  }
  return {
    name: "cluster",
    ok: false,
    text: `no node of ${cluster} answers: ${answerTrouble ?? "nothing came"}`,
    hint: "start its nodes first; `ctdbx cluster status` there says how it is",
    exit: EXIT.noQuorum,
  };
}

function judgeCluster(facts: JoinFacts, answer: PreflightAnswer): Check[] {
  const { cluster, clusterId } = facts.invitation;
  if (answer.clusterId !== clusterId) {
    return [{
      name: "cluster",
      ok: false,
      text: `another cluster has the name ${cluster} there: this invitation is of ${clusterId}, ` +
        `that is ${answer.clusterId}`,
      hint: "look which servers the invitation names, or make another one there",
      exit: EXIT.conflict,
    }];
  }
  // Who shows no invitation is told nothing of the cluster.
  if (answer.invitation === "unknown") return [judgeInvitation(facts, answer)];
  const found = [judgeInvitation(facts, answer), judgeMajority(answer), judgeClock(facts)];
  const { refusal } = answer;
  // The refusal of an invitation that is no good is about that, and said already.
  if (refusal === undefined || found[0]?.ok !== true) return found;
  return [...found, {
    name: "place",
    ok: false,
    text: refusal,
    hint: /address/.test(refusal) ? "--addr HOST:PORT gives it another one" : undefined,
    exit: EXIT.conflict,
  }];
}

function judgeInvitation({ invitation, nowWallMs }: JoinFacts, answer: PreflightAnswer): Check {
  const name = "invitation";
  const { name: awaited = invitation.name, pnn = invitation.pnn } = answer;
  if (awaited !== invitation.name || pnn !== invitation.pnn) {
    const text = `it was changed: the cluster made it for ${awaited} (number ${pnn})`;
    return { name, ok: false, text, hint: MADE_ANEW, exit: EXIT.conflict };
  }
  switch (answer.invitation) {
    case "open":
      return { name, ok: true, text: `${answer.name ?? invitation.name} is awaited` };
    case "mine":
      return { name, ok: true, text: "this node has joined by it already" };
    case "expired":
      return answer.refusal === undefined
        ? expired(Math.max(0, Math.round((nowWallMs - invitation.expiresWallMs) / 1000)))
        : { name, ok: false, text: answer.refusal, hint: MADE_ANEW, exit: EXIT.conflict };
    case "used": {
      const text = answer.refusal ?? "it was used already, by another machine";
      return { name, ok: false, text, hint: MADE_ANEW, exit: EXIT.conflict };
    }
    case "unknown": {
      const text = answer.refusal ?? "the cluster does not know it: it was taken back";
      return { name, ok: false, text, hint: MADE_ANEW, exit: EXIT.conflict };
    }
  }
}

function judgeMajority({ hasMajority, leader, members, nodes }: PreflightAnswer): Check {
  const name = "majority";
  if (hasMajority && leader !== undefined) {
    return { name, ok: true, text: `${leader} leads, ${members} of ${nodes} nodes are in` };
  }
  return {
    name,
    ok: false,
    text: leader === undefined ? "nobody leads the cluster" : "the cluster has no majority",
    hint: "start its nodes first; `ctdbx cluster explain` there says why",
    exit: EXIT.noQuorum,
  };
}

function judgeClock({ skewMs = 0 }: JoinFacts): Check {
  const name = "clock";
  const apart = `${(Math.abs(skewMs) / 1000).toFixed(1)} s`;
  if (Math.abs(skewMs) <= SKEW_MAX_MS) return { name, ok: true, text: `${apart} apart` };
  return {
    name,
    ok: false,
    text: `this clock is ${apart} ${skewMs > 0 ? "ahead of" : "behind"} the cluster's, ` +
      `${SKEW_MAX_MS / 1000} s are allowed`,
    hint: "set it, with chrony or `timedatectl set-ntp true`",
    exit: EXIT.conflict,
  };
}

/** Throws Failure with what stands in the way; nothing when all is well. `cannot`: "Cannot join lab". */
export function demand(checks: readonly Check[], cannot: string): void {
  const wrong = checks.filter(({ ok }) => !ok);
  const [first] = wrong;
  if (first === undefined) return;
  const more = wrong.length === 1 ? "" : ` (and ${wrong.length - 1} more)`;
  throw new Failure(first.exit ?? EXIT.other, `${cannot}: ${first.text}${more}`, first.hint);
}
