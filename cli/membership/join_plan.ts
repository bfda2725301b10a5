/**
 * The plan of a join, as steps on a small port, so that it can be tried without processes.
 *
 *   key ─▶ identity ─▶ state ─▶ configuration ─▶ join ─▶ start ─▶ member ─▶ digest
 *   └── files of this machine ──────────────┘    └ the cluster  └ the daemon: in the view, with its vote; all agree
 *
 * Each step looks where its work would be found; so whoever is killed between two of them, or in one, runs it again.
 *
 * Does NOT promise: to take back what was done when a later step fails; `cluster leave NAME` does that.
 */

import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { Step } from "./steps.ts";

/** How a node stands by the word of its own daemon. */
export interface Standing {
  readonly isMember: boolean;
  readonly isVoter: boolean;
  readonly serving: boolean;
  /** What is wrong, a sentence. */
  readonly why?: string | undefined;
}

/** What a node has of the document. */
export interface Digest {
  readonly pnn: number;
  readonly name: string;
  readonly version?: string | undefined;
  readonly generation?: string | undefined;
  readonly hash?: string | undefined;
  readonly format?: number | undefined;
  /** Why it did not answer. */
  readonly error?: string | undefined;
}

/** The files and the daemon of the node to be. Everything can be asked again and again. */
export interface NodePort {
  /** Is there nothing to be kept, since NATS asks for no key and no certificate? */
  readonly isKeyless: boolean;
  readonly hasKey: () => boolean;
  readonly writeKey: () => void;
  readonly hasIdentity: () => boolean;
  readonly writeIdentity: () => Promise<void>;
  readonly hasState: () => boolean;
  readonly writeState: () => Promise<void>;
  readonly hasConfig: () => boolean;
  readonly writeConfig: () => void;
  /** Does its daemon answer? */
  readonly isRunning: () => Promise<boolean>;
  readonly start: () => Promise<void>;
  /** Undefined: its daemon does not answer. */
  readonly standing: () => Promise<Standing | undefined>;
  /** What its daemon says of another node's way out; undefined: that one is gone. */
  readonly wayOut: (pnn: number) => Promise<string | undefined>;
  /** Of all nodes that its daemon knows. */
  readonly digests: () => Promise<readonly Digest[]>;
  /** Resolves after a moment, or when something has happened. */
  readonly pause: () => Promise<void>;
  readonly nowMs: () => number;
}

/** The same, and the cluster that it wants to join. */
export interface JoinPort extends NodePort {
  /** Is it in the cluster's list? */
  readonly isJoined: () => Promise<boolean>;
  readonly join: () => Promise<void>;
}

/** What is wanted beyond that. */
export interface JoinWish {
  readonly name: string;
  readonly cluster: string;
  /** For people. */
  readonly folder: string;
  readonly voter: boolean;
  /** The node that goes when this one is there. */
  readonly replaces?: { readonly pnn: number; readonly name: string } | null;
  readonly start: boolean;
  /** How long to wait for the view, ms. */
  readonly memberMs: number;
}

/** All nodes agree within this, ms, or something is wrong. */
const AGREE_MS = 15_000;

/** The steps. `keep` gets the last digests. */
export function joinSteps(
  port: JoinPort,
  wish: JoinWish,
  keep: (digests: readonly Digest[]) => void,
): Step[] {
  const { name, cluster } = wish;
  const joining: Step = {
    name: "join",
    text: `asks ${cluster} to take ${name} onto its list`,
    isDone: () => port.isJoined(),
    work: () => port.join(),
  };
  return [
    ...fileSteps(port, wish),
    joining,
    ...wish.start ? daemonSteps(port, wish, keep) : [],
  ];
}

/** The steps that make a node's files. */
export function fileSteps(
  port: NodePort,
  { folder, name }: Pick<JoinWish, "folder" | "name">,
): Step[] {
  const key: Step = {
    name: "key",
    text: `keeps the key of ${name} for NATS in ${folder}`,
    isDone: () => port.hasKey(),
    work: () => port.writeKey(),
  };
  return [
    ...port.isKeyless ? [] : [key],
    {
      name: "identity",
      text: `makes the identity of ${name}, node.id`,
      isDone: () => port.hasIdentity(),
      work: () => port.writeIdentity(),
    },
    {
      name: "state",
      text: "writes what it knows when it begins, meta.a and meta.b",
      isDone: () => port.hasState(),
      work: () => port.writeState(),
    },
    {
      name: "configuration",
      text: "writes its configuration",
      isDone: () => port.hasConfig(),
      work: () => port.writeConfig(),
    },
  ];
}

/** The steps that start a daemon and see it at work. */
export function daemonSteps(
  port: NodePort,
  wish: Pick<JoinWish, "name" | "voter" | "memberMs" | "replaces">,
  keep: (digests: readonly Digest[]) => void,
): Step[] {
  const { name, voter, memberMs, replaces = null } = wish;
  return [
    {
      name: "start",
      text: `starts the daemon of ${name} and its supervisor`,
      isDone: () => port.isRunning(),
      work: () => port.start(),
    },
    {
      name: "member",
      text: `waits until ${name} is in the view and serves${voter ? ", with its vote" : ""}`,
      isDone: async () => lackOf(await port.standing(), voter) === undefined,
      work: (say) =>
        waitFor(
          port,
          memberMs,
          say,
          `Cannot see ${name} at work`,
          async () => lackOf(await port.standing(), voter),
        ),
    },
    ...replaces === null ? [] : [replacedStep(port, replaces, memberMs)],
    digestStep(port, keep),
  ];
}

function replacedStep(
  port: NodePort,
  { pnn, name }: { readonly pnn: number; readonly name: string },
  limitMs: number,
): Step {
  return {
    name: "replaced",
    text: `waits until ${name} is gone for good`,
    isDone: async () => await port.wayOut(pnn) === undefined,
    work: (say) => waitFor(port, limitMs, say, `Cannot see ${name} gone`, () => port.wayOut(pnn)),
  };
}

/** Compares what all nodes have; not once for all, but in each run. */
function digestStep(port: NodePort, keep: (digests: readonly Digest[]) => void): Step {
  let agreed = false;
  return {
    name: "digest",
    text: "compares version, view and hash of the document at all nodes",
    isDone: () => agreed,
    work: (say) =>
      waitFor(port, AGREE_MS, say, "Cannot see all nodes agree", async () => {
        const digests = await port.digests();
        keep(digests);
        const lack = differenceOf(digests);
        agreed = lack === undefined;
        return lack;
      }),
  };
}

function lackOf(standing: Standing | undefined, voter: boolean): string | undefined {
  if (standing === undefined) return "its daemon does not answer";
  const { isMember, isVoter, serving, why } = standing;
  const because = why === undefined ? "" : `: ${why}`;
  if (!isMember) return `it is not in the view yet${because}`;
  if (voter && !isVoter) return `it has no vote yet${because}`;
  return serving ? undefined : `it does not serve yet${because}`;
}

/** What differs between nodes; undefined: all that answer have the same. */
export function differenceOf(digests: readonly Digest[]): string | undefined {
  const heard = digests.filter(({ error }) => error === undefined);
  const [first] = heard;
  if (first === undefined) return digests[0]?.error ?? "no node answers";
  const other = heard.find(({ version, generation, hash }) =>
    version !== first.version || generation !== first.generation || hash !== first.hash
  );
  return other === undefined ? undefined : `${first.name} and ${other.name} differ`;
}

/** Looks until nothing is missing. Throws Failure (expectation) with what is when time is over. */
export async function waitFor(
  port: Pick<NodePort, "pause" | "nowMs">,
  limitMs: number,
  say: (text: string) => void,
  cannot: string,
  lack: () => Promise<string | undefined>,
): Promise<void> {
  const endMs = port.nowMs() + limitMs;
  let said = "";
  for (;;) {
    const missing = await lack();
    if (missing === undefined) return;
    if (missing !== said) say(missing);
    said = missing;
    if (port.nowMs() >= endMs) {
      throw new Failure(
        EXIT.expectation,
        `${cannot} within ${Math.round(limitMs / 1000)} s: ${missing}`,
        "`ctdbx cluster explain` says why; run the command again to go on",
      );
    }
    await port.pause();
  }
}
