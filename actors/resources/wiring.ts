/**
 * What a node and the resources of its programs have to do with each other.
 *
 *   cluster machine ── life, document, page ──▶ Resources        node.health ──▶ Resources        data thread ──▶ desk
 *
 * Does NOT promise: a node without a run folder that takes files; it has no state page there, either.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { LEVEL } from "../../transport/wire/level.ts";
import type { Happening } from "../machines/cluster/events.ts";
import { leadViewOf } from "../machines/addresses/takeover/lead_view.ts";
import type { NodeOptions, NodeParts } from "../node_parts.ts";
import { GrantPage } from "../storage/grant_page.ts";
import { Resources } from "./resources.ts";
import type { ResourceAnswer, ResourceAsk } from "./words.ts";

/** The level that has resources. */
const RESOURCE_LEVEL = 2;

/** Where the grant page of a node lies. */
export function grantPagePath(runFolder: string): string {
  return `${runFolder}/grants`;
}

/** The resources of a node; they are not started yet. Undefined: it is to be of a version that has none. */
export function resourcesOf(
  node: NodeParts,
  { runFolder, aheadMs }: NodeOptions,
): Resources | undefined {
  const { world, config, identity } = node;
  if ((config.level ?? LEVEL) < RESOURCE_LEVEL) return undefined;
  const { clock, log, images, host } = world;
  return new Resources({
    self: identity.nodeId,
    clock,
    log,
    page: GrantPage.open(images, grantPagePath(runFolder)),
    aheadMs: () => aheadMs?.() ?? 0,
    alive: (pid) => host.alive(pid),
    lead: () => leadViewOf(node.state),
    send: (to, message) => node.post.send([to], message),
  });
}

/** Begins: health. Answers how to end it. */
export function startResources({ resources, health }: NodeParts): () => void {
  if (resources === undefined) return () => {};
  resources.health(health.verdict.healthy);
  const end = health.watch(({ healthy }) => resources.health(healthy));
  return () => {
    end();
    resources.stop();
  };
}

/** Something happened in the cluster machine that resources hang on. */
export function tellResources({ resources }: NodeParts, happening: Happening): void {
  if (happening.what === "new life") resources?.life(happening.incarnation);
}

/** A question of a program about resources. Rejects with CtdbxError. */
export async function askResources(
  { resources }: NodeParts,
  ask: ResourceAsk,
): Promise<ResourceAnswer> {
  if (resources !== undefined) return await resources.desk.ask(ask);
  throw new CtdbxError("unsupported", "Cannot own resources: this node is of a version without");
}
