/**
 * What a node and its data thread have to do with each other, beside life, view and page.
 *
 *   data thread ── attach ──▶ the leader       ── breach ──▶ log, blame
 *   data thread dies ──▶ page ended ──▶ the cluster machine: a new life
 *   members go ──▶ what is left there, as the homes of this node know it ──▶ the cluster machine
 *
 * Does NOT promise: that a blame is heard; the record protocol keeps itself safe from what it saw.
 */
import { fitText } from "../transport/wire/limits.ts";
import { LEFT_MAX } from "../transport/wire/messages/cluster.ts";
import type { Member } from "../transport/wire/messages/document.ts";
import type { ClusterId, NodeId } from "../transport/wire/terms.ts";
import type { CommitLead } from "./data/commit_databases.ts";
import { type DataHandle, DataLink } from "./data_link.ts";
import { goingOf } from "./machines/cluster/left.ts";
import type { NodeParts } from "./node_parts.ts";
import type { NodePage } from "./node_page.ts";
import { askResources } from "./resources/wiring.ts";
import { id128 } from "./storage/node_identity.ts";
import { commanded } from "./verbs/args.ts";
import { attachFor } from "./verbs/databases.ts";
import { leaderOf } from "./views.ts";

/** Between two looks at what is left at members that go, ms; and so many times as long as the look before took. */
const LEFT_LOOK_MS = 100;
const LEFT_SHARE = 5;
/** Between two looks at who leads, ms. */
const LEAD_LOOK_MS = 50;
/** So long it is tried to have a breach noted, ms. */
const BLAME_MS = 5000;

/** Where a node's data thread works. */
export interface DataPlace {
  readonly cluster: string;
  readonly clusterId: ClusterId | undefined;
  readonly nodeId: NodeId;
  readonly stateFolder: string;
  readonly runFolder: string;
  readonly pagePath: string;
  /** Of the program. */
  readonly version: string;
}

/** The data thread of a node; it is not started yet. */
export function dataLinkOf(
  node: NodeParts,
  page: NodePage,
  { cluster, clusterId, nodeId, stateFolder, runFolder, pagePath, version }: DataPlace,
  make: () => Promise<DataHandle>,
): DataLink {
  const { name, level } = node.config;
  const start = {
    cluster,
    clusterId,
    nodeId,
    name,
    level,
    folder: `${stateFolder}/volatile`,
    stateFolder,
    pagePath,
    socketPath: `${runFolder}/data.sock`,
    programVersion: version,
  };
  return new DataLink(node.world, start, make, {
    asks: {
      attach: (database, how, timeoutMs) => attachFor(node, database, how, timeoutMs),
      commit: async (change, timeoutMs) => {
        await commanded(
          node,
          "Cannot change the copies",
          id128(node.world.dice),
          change,
          timeoutMs,
        );
      },
      note: (what, text) => {
        node.cluster.tell({ kind: "noted", what, why: fitText(text) });
        return Promise.resolve();
      },
      breach: (number, why, life) => onBreach(node, number, why, life),
      resource: (ask) => askResources(node, ask),
    },
    events: {
      onConfirmed: () => page.refresh(),
      onDown: () => node.resources?.desk.threadLost(),
      onLost: (why) => {
        page.endLease();
        node.cluster.tell({ kind: "lost", why: `the data thread has died: ${why}` });
      },
      onTrouble: (why) => {
        node.health.set("data", { ok: why === undefined, ...why === undefined ? {} : { why } });
      },
    },
  });
}

/** A record machine found what must not be: whoever broke the protocol is reported. */
async function onBreach(
  { world, cluster }: NodeParts,
  number: string,
  why: string,
  life: Member | undefined,
): Promise<void> {
  world.log.write("error", `The record protocol was broken: ${number}: ${why}`, { life });
  if (life === undefined) return;
  const command = { verb: "blame", pnn: life.pnn, credits: 1, why: fitText(why) } as const;
  await cluster.command(id128(world.dice), command, BLAME_MS);
}

/** While members go, the machine is told what the homes of this node know to be there still. Answers how to end it. */
export function watchLeft(node: NodeParts, data: DataLink): () => void {
  const { clock, log } = node.world;
  let end: () => void = () => {};
  let isOver = false;
  const look = async (): Promise<void> => {
    const { adopted } = node.state;
    const going = adopted === undefined ? [] : goingOf(adopted).slice(0, LEFT_MAX);
    const startMs = clock.nowMs();
    if (going.length > 0 && data.isUp) {
      try {
        const { generation, left } = await data.thread.left(going);
        if (!isOver) node.cluster.tell({ kind: "left", left: { generation, nodes: left } });
      } catch (error) {
        log.write("debug", "What is left at members that go is not known", { error });
      }
    }
    if (isOver) return;
    // Many records take their time to be counted, and their homes have better things to do.
    const pauseMs = Math.max(LEFT_LOOK_MS, LEFT_SHARE * (clock.nowMs() - startMs));
    end = clock.after(pauseMs, () => void look());
  };
  void look();
  return () => {
    isOver = true;
    end();
  };
}

/** Tells the data thread who leads, when that is another one; it is looked at by the clock. Answers how to end it. */
export function watchLead(node: NodeParts, data: DataLink): () => void {
  let end: () => void = () => {};
  let told = "";
  const look = (): void => {
    const lead = leadOf(node);
    const seen = lead === undefined ? "" : `${lead.pnn} ${lead.token}`;
    if (seen !== told) data.lead(lead);
    told = seen;
    end = node.world.clock.after(LEAD_LOOK_MS, look);
  };
  look();
  return () => end();
}

function leadOf({ state }: NodeParts): CommitLead | undefined {
  const leader = leaderOf(state);
  const { adopted, lead, sign, me } = state;
  const pnn = adopted?.nodes.find(({ nodeId }) => nodeId === leader)?.pnn;
  const isOwn = leader === me;
  const token = isOwn ? lead?.token : sign.token;
  return pnn === undefined || token === undefined ? undefined : { pnn, token, isOwn };
}
