/**
 * Words about a node of this machine, which the rules about its processes share.
 *
 * Does NOT promise: anything about nodes of other machines.
 */
import type { Facts, Found, NodeFacts, OutsideFacts } from "./facts.ts";
import type { LogFact, ProcessFact } from "./facts.ts";
import { onMachine, span, waitOutMs } from "./words.ts";
import type { Timing } from "../machines/cluster/tunables.ts";
import { HUNG_MS, PING_EVERY_MS } from "../watchdog.ts";

/** A supervisor that has died is started again by a keeper after this at the latest, ms. */
const KEEPER_MS = 1000;

/** A node of this machine. */
export type Local = NodeFacts & { readonly outside: OutsideFacts };

/** Applies `find` to each node of this machine. */
export function eachLocal(
  find: (node: Local, facts: Facts) => Found | undefined,
): (facts: Facts) => Found[] {
  return (facts) => onMachine(facts).flatMap((node) => find(node, facts) ?? []);
}

/** Is there such a process, stopped or not? */
export function isThere(one: ProcessFact | undefined): one is ProcessFact {
  return one !== undefined && one.state !== "gone" && one.state !== "zombie";
}

/** Does nobody listen on its socket? */
export function isMute({ socket, daemon }: OutsideFacts): boolean {
  if (socket.state === "refused" || socket.state === "missing") return true;
  // The socket of a process that is just ending may still take connections.
  const isOpen = socket.state === "silent" || socket.state === "failed";
  return isOpen && daemon !== undefined && !isThere(daemon);
}

/** Was its supervisor killed, and the daemon with it? One that ends in order removes its socket. */
export function wasKilled(outside: OutsideFacts): boolean {
  const { supervisor, daemon, socket } = outside;
  return supervisor !== undefined && !isThere(supervisor) && !isThere(daemon) &&
    isMute(outside) && socket.state !== "missing";
}

/** The lease that its page shows. */
export function pageWords({ page }: OutsideFacts): string[] {
  if (page === undefined || page.isEnded) return [];
  const left = page.leaseLeftMs;
  return [
    left > 0
      ? `its state page shows a lease of ${span(left)} more`
      : `its state page shows a lease that is over since ${span(-left)}`,
  ];
}

/** Who starts its processes again. */
export function startWords({ configPath, keeper, supervisor }: OutsideFacts): string {
  if (isThere(supervisor)) return `its supervisor (process ${supervisor.pid}) starts it again`;
  if (keeper?.state === "running") {
    return `the keeper of its cluster (process ${keeper.pid}) starts it within ${span(KEEPER_MS)}`;
  }
  if (keeper?.state === "stopped") {
    return `nothing: the keeper of its cluster (process ${keeper.pid}) is stopped itself`;
  }
  return configPath.startsWith("/etc/ctdbx/")
    ? "nothing that ctdbx runs starts it again; systemd does, where its unit is enabled"
    : "nothing starts it again";
}

/** How the others cope without it. */
export function othersWords(timing: Timing): string {
  return `the others go on without it ${span(waitOutMs(timing))} after its last sign, ` +
    "if they are a majority of the voters";
}

/** The newest lines of its logs. */
export function logWords(log: readonly LogFact[], count: number): string[] {
  return log.slice(-count).map(({ part, msAgo, text }) =>
    `${part}'s log${msAgo === undefined ? "" : `, ${span(msAgo)} ago`}: ${text}`
  );
}

/** What its socket does. */
export function socketWords({ socket, socketPath }: OutsideFacts): string {
  const at = `its socket ${socketPath}`;
  switch (socket.state) {
    case "silent":
      return `${at} takes a connection and does not answer for ${span(socket.waitedMs)}`;
    case "refused":
      return `${at} is there, and nobody listens`;
    case "missing":
      return `${at} is not there`;
    case "starting":
      return `${at} answers that the node is starting`;
    case "answers":
      return `${at} answers`;
    default:
      return `${at}: ${socket.text ?? socket.state}`;
  }
}

/** Since when it does nothing, as its lease tells: the last sign of the leader is one lease length before its end. */
function silentMs({ page }: OutsideFacts, { nodeTtlMs }: Timing): number | undefined {
  if (page === undefined || page.isEnded) return undefined;
  return Math.max(0, nodeTtlMs - page.leaseLeftMs);
}

/** What the supervisor does about a daemon that does not answer. */
export function killWords(outside: OutsideFacts, timing: Timing): string[] {
  const { supervisor } = outside;
  if (supervisor?.state === "stopped") {
    return [`its supervisor (process ${supervisor.pid}) is stopped, too, and does nothing`];
  }
  if (!isThere(supervisor)) return ["it has no supervisor: nobody ends it or starts it again"];
  const limitMs = HUNG_MS + PING_EVERY_MS;
  const since = silentMs(outside, timing);
  const left = since === undefined
    ? `within ${span(limitMs)}`
    : `in ${span(Math.max(0, limitMs - since))} at the latest`;
  return [
    `its supervisor (process ${supervisor.pid}) kills it after ${
      span(HUNG_MS)
    } without an answer, ` +
    `${left}, tells the voters of the certain death, and starts it again`,
  ];
}
