/**
 * What people do in a run: nodes are stopped in order, drained, taken out for good; another number of copies is asked
 * for; a primary is forced when every in-sync copy is away. And the worst moment to lose power: right after an answer.
 *
 *   stop     hand over ─▶ off ─▶ back        leave    hand over all ─▶ off ─▶ another disk, back as a new one
 *   force    in-sync copies away, or their disks replaced ─▶ another copy leads on in a new lineage
 *   dark     some disks are slow ─▶ somebody is told "committed" ─▶ all power is gone; the slow ones come back first
 *
 * Does NOT promise: that what is asked for is done; who stops goes after a while all the same.
 */
import { holdsForLeave, holdsForStop } from "../../commit/handover.ts";
import type { CommitHost } from "./commit_host.ts";
import type { CommitSim } from "./commit_sim.ts";

/** What people do. */
export type PlannedFault = "stop" | "drain" | "leave" | "copies" | "force" | "dark";

/** How often it is looked whether something is handed over, ms. */
const LOOK_MS = 20;
/** A node that stops waits so long at most; one that leaves stays then. ms. */
const STOP_MS = 4_000;
const LEAVE_MS = 12_000;
/** Between two looks whether a primary must be forced, ms. */
const FORCE_MS = 1_500;
/** After a disk was lost or damaged fewer copies are not asked for so long, ms: nobody has noticed it yet. */
const HARM_MS = 10_000;
/** Copies at most, in a run. */
const COPIES_MAX = 5;
/** Some disks are slow for so long at most, ms. */
const DARK_MS = 2_000;

/** Does it. `awayMs`: for how long. */
export function strikePlanned(
  sim: CommitSim,
  host: CommitHost,
  kind: PlannedFault,
  awayMs: number,
): void {
  const { dice, going, after } = { ...sim, after: sim.after.bind(sim) };
  if (kind === "copies") return ask(sim);
  if (kind === "dark") return dark(sim);
  if (kind === "force") return force(sim, awayMs);
  if (!host.isUp || going.has(host.pnn)) return;
  if (kind === "drain") {
    going.set(host.pnn, "drains");
    return after(awayMs, () => void going.delete(host.pnn));
  }
  const isStop = kind === "stop";
  if (!isStop && sim.nowMs < sim.harmedMs + HARM_MS) return;
  going.set(host.pnn, isStop ? "stops" : "leaves");
  const { incarnation } = host;
  const endMs = sim.nowMs + (isStop ? STOP_MS : LEAVE_MS);
  const look = (): void => {
    const isOver = !host.isUp || host.incarnation !== incarnation;
    if (isOver) return void going.delete(host.pnn);
    // What its own programs have asked for ends first: they go before it.
    const isBusy = sim.clients.openAt([host.life]) > 0;
    if (!isBusy && !holds(sim, host, isStop)) {
      return leave(sim, host, isStop, dice.below(awayMs + 1));
    }
    if (sim.nowMs < endMs) return after(LOOK_MS, look);
    if (isStop) leave(sim, host, true, dice.below(awayMs + 1));
    else going.delete(host.pnn);
  };
  look();
}

function holds({ doc, going, hosts }: CommitSim, { pnn }: CommitHost, isStop: boolean): boolean {
  const { config } = doc;
  // It may be about to begin with this node, and the leader would not hear at once that it has gone for good.
  if (!isStop) return config.lineage === 0n || holdsForLeave(config, pnn);
  if (config.lineage === 0n) return false;
  return holdsForStop(
    config,
    pnn,
    (other) => hosts[other]?.isUp === true && !isLeaving(going.get(other)),
  );
}

function isLeaving(going: string | undefined): boolean {
  return going === "stops" || going === "leaves";
}

function leave(sim: CommitSim, host: CommitHost, isStop: boolean, awayMs: number): void {
  sim.note(host.pnn, isStop ? "stops in order" : "has left");
  host.crash();
  if (!isStop) host.replaceDisk();
  sim.going.delete(host.pnn);
  sim.after(awayMs, () => host.start());
}

/** Another number of copies, and perhaps of those that a commit needs. */
function ask(sim: CommitSim): void {
  const { dice, hosts } = sim;
  if (sim.nowMs < sim.harmedMs + HARM_MS) return;
  const k = 1 + dice.below(Math.min(COPIES_MAX, hosts.length));
  sim.wanted = dice.chance(1, 2) ? { k } : { k, mWanted: 1 + dice.below(k) };
  sim.note(-1, `${k} copies are asked for, ${sim.wanted.mWanted ?? "more than half"} in sync`);
}

/** All in-sync copies are away, or have lost their disks; somebody else is forced. */
function force(sim: CommitSim, awayMs: number): void {
  const { dice, hosts, doc } = sim;
  const { isr, lineage } = doc.config;
  const named = hosts.filter(({ pnn }) => isr.some((one) => one.pnn === pnn));
  const others = hosts.filter((host) => !named.includes(host) && host.isUp);
  const isLost = dice.chance(1, 2);
  if (lineage === 0n || others.length === 0 || named.length === hosts.length) return;
  const isCut = !isLost && dice.chance(1, 3);
  for (const host of named) {
    if (isCut) {
      for (const other of others) {
        // From the leader's side nothing is heard of it; it may go on to be heard by some.
        sim.links.cut(host.pnn, other.pnn, true);
        sim.links.cut(other.pnn, host.pnn, dice.chance(1, 2));
      }
      continue;
    }
    host.crash();
    if (isLost) host.replaceDisk();
    sim.after(isLost ? dice.below(1_000) : 5_000 + awayMs, () => host.start());
  }
  if (isCut) sim.after(5_000 + awayMs, () => sim.links.heal());
  const tryIt = (left: number): void => {
    const isOver = sim.doc.config.lineage !== lineage;
    if (isOver || left === 0) return;
    const chosen = others[dice.below(others.length)];
    if (chosen !== undefined) {
      const said = sim.leader?.force(chosen.pnn);
      sim.note(chosen.pnn, `is to be forced: ${said === "" ? "yes" : said ?? "nobody leads"}`);
    }
    sim.after(500, () => tryIt(left - 1));
  };
  sim.after(3_000, () => tryIt(6));
}

/** All nodes are back, and the database waits for copies that are no more: people decide, again and again. */
export function forceAtLast(sim: CommitSim): void {
  sim.after(FORCE_MS, () => {
    const { leader } = sim;
    const chosen = leader?.lastResort();
    if (chosen !== undefined) sim.note(chosen, `is forced at last: ${leader?.force(chosen)}`);
    forceAtLast(sim);
  });
}

/** Power is lost at all nodes when somebody has just been told that something is committed. */
function dark(sim: CommitSim): void {
  const { dice, hosts, doc } = sim;
  const { primary } = doc.config;
  const how = dice.below(3);
  const isSlow = ({ pnn }: CommitHost) =>
    how === 0 ? pnn === primary : how === 1 ? pnn !== primary : dice.chance(1, 2);
  const slow = hosts.filter(isSlow);
  for (const { pnn } of slow) sim.lame.add(pnn);
  const heal = (): void => {
    sim.lame.clear();
    sim.onAck = undefined;
  };
  let isOver = false;
  sim.after(DARK_MS, () => {
    if (!isOver) heal();
  });
  const waitMs = dice.below(DARK_MS / 2);
  sim.after(waitMs, () => {
    sim.onAck = () => {
      isOver = true;
      heal();
      sim.after(0, () => {
        sim.note(-1, "all power is gone");
        const { isr } = sim.doc.config;
        for (const host of hosts) {
          const isLate = isr.some(({ pnn }) => pnn === host.pnn) && !slow.includes(host);
          host.crash(true);
          sim.after(isLate ? 3_000 + dice.below(9_000) : dice.below(500), () => host.start());
        }
      });
    };
  });
}
