/**
 * The judges of databases in a simulated cluster.
 *
 *   epochs     documents of one generation have databases of one epoch, and the same homes
 *   handed     nobody goes by plan while a home that answers knows records there
 *
 * Does NOT promise: anything about records; the record simulator judges those.
 */
import type { Document, Member } from "../../../transport/wire/messages/document.ts";
import type { Generation, Pnn } from "../../../transport/wire/terms.ts";
import { epochChange, hasVolatile } from "../cluster/databases.ts";
import { hasSlots, lifeOf, nodeByPnn } from "../cluster/document.ts";
import { isStopping, shunned } from "../cluster/farewell.ts";
import { tokenText } from "../cluster/token.ts";
import type { ClusterSim } from "./cluster_sim.ts";
import type { Host } from "./host.ts";

/** What documents say of databases, over all of a run. */
export class DatabaseChecks {
  readonly #sim: ClusterSim;
  /** The first document and the last of each generation. */
  readonly #seen = new Map<Generation, { first: Document; last: Document }>();

  constructor(sim: ClusterSim) {
    this.#sim = sim;
  }

  /** A document is effective; an older one may be told late. */
  onEffective(doc: Document): void {
    const { generation, version, view } = doc;
    const seen = this.#seen.get(generation);
    if (seen === undefined) return void this.#seen.set(generation, { first: doc, last: doc });
    const { first, last } = seen;
    const [older, newer] = version > last.version ? [last, doc] : [doc, last];
    const change = epochChange(older, newer);
    const report = (text: string) =>
      this.#sim.checkers.report(this.#sim.nowMs, "epochs", `${tokenText(newer.version)}: ${text}`);
    if (change !== undefined) report(`${change}, in the same generation`);
    const isSame = view.slots.every(({ home, slotGen }, slot) => {
      const other = first.view.slots[slot];
      return other?.slotGen === slotGen && other.home.pnn === home.pnn;
    });
    if (!isSame) report("other homes in the same generation");
    if (newer === doc) this.#seen.set(generation, { first, last: doc });
  }

  /** A leader proposes a document: who goes, and has he handed over? */
  onProposed(leader: Host, doc: Document): void {
    const state = leader.machine?.state;
    const before = state?.lead?.effective;
    if (state === undefined || before === undefined || !hasVolatile(before)) return;
    // Where all are on their way out, nobody takes over.
    const out = shunned(state, before);
    if (before.view.members.every(({ pnn }) => out.has(pnn))) return;
    for (const member of before.view.members) {
      const node = nodeByPnn(before, member.pnn);
      if (node === undefined || node.nodeId === state.me) continue;
      const after = nodeByPnn(doc, member.pnn);
      const peer = state.peers.get(node.nodeId);
      // Who is called dead is not waited for.
      const isFresh = peer !== undefined && peer.incarnation === member.incarnation &&
        state.lead?.calledDead.get(node.nodeId) !== member.incarnation &&
        !state.rules.isDead(state.deadInc.get(node.nodeId), member.incarnation);
      const isOut = lifeOf(doc.view.members, member.pnn) !== member.incarnation;
      const isDeleted = after?.adminFlags.includes("deleted") === true &&
        !node.adminFlags.includes("deleted");
      const goes = isFresh &&
        (isOut
          ? isStopping(state, peer) && after?.adminFlags.length === 0
          : isDeleted && node.leaving !== undefined);
      if (goes) this.#lookAtHomes(leader, before, member, state.nowMs);
    }
  }

  #lookAtHomes(leader: Host, before: Document, gone: Member, nowMs: number): void {
    const others = before.view.members.filter(({ pnn }) => pnn !== gone.pnn);
    // Where nobody could take it over, nobody has to.
    if (!others.some(({ pnn }) => hasSlots(before.view, pnn))) return;
    for (const home of others.filter((member) => hasSlots(before.view, member.pnn))) {
      const { pnn } = home;
      const left = this.#leftAt(before, home, gone.pnn);
      if (left === 0) continue;
      const text = `${gone.pnn} goes, and ${pnn} knows ${left ?? "nothing"} there`;
      this.#sim.checkers.report(this.#sim.nowMs, "handed", `${text} (${leader.index}, ${nowMs})`);
    }
  }

  /** What a home has said of a member, by this generation; 0 of one whose life is over, with all that it knew. */
  #leftAt(doc: Document, home: Member, of: Pnn): number | undefined {
    const nodeId = nodeByPnn(doc, home.pnn)?.nodeId;
    const host = nodeId === undefined ? undefined : this.#sim.hosts[this.#sim.indexOf(nodeId)];
    if (host?.machine?.state.incarnation !== home.incarnation) return 0;
    return host.leftSaid.generation === doc.generation ? host.leftSaid.at.get(of) : undefined;
  }
}
