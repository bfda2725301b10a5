/**
 * A development cluster on its way up: made when there is none, and waited for until every node says that all is well.
 *
 * Does NOT promise: that it stays so.
 */

import { look } from "./commands/asking.ts";
import type { DevPlan } from "./dev_cluster.ts";
import { devNode, hasRoles, makeCluster, readPlan } from "./dev_cluster.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";
import { until } from "./processes.ts";

/** A node of this machine that has not answered after this is stopped or hangs, ms. */
export const SILENT_MS = 1000;

/** The cluster of a folder, made when there is none; `isOpen`: without keys, for everybody. */
export async function plannedCluster(
  home: string,
  nodes: number | undefined,
  isOpen = false,
): Promise<DevPlan> {
  const plan = readPlan(home);
  if (plan === undefined) return await makeCluster(home, nodes ?? 3, { isOpen });
  if (isOpen && hasRoles(home)) {
    throw new Failure(
      EXIT.conflict,
      `Cannot open the cluster in ${home}: it was made with keys`,
      "`ctdbx dev down --remove` forgets it",
    );
  }
  if (nodes === undefined || nodes === plan.nodes) return plan;
  throw new Failure(
    EXIT.conflict,
    `Cannot start ${nodes} nodes: the cluster in ${home} has ${plan.nodes}`,
    "`ctdbx dev down --remove` forgets it",
  );
}

/** Waits until every node says that all is well. Throws Failure with what is not. */
export async function waitUp(
  home: string,
  nodes: number,
  isOn: () => boolean,
  timeoutMs: number,
): Promise<void> {
  let wrong: string[] = ["no daemon has answered"];
  const isUp = await until(async () => {
    if (!isOn()) return true;
    const all = await Promise.all(
      Array.from({ length: nodes }, (_, index) => troublesOf(home, index)),
    );
    wrong = all.flat();
    return wrong.length === 0;
  }, timeoutMs);
  if (isUp && isOn()) return;
  throw new Failure(
    EXIT.other,
    `Cannot start the cluster: ${wrong.slice(0, 3).join("; ")}`,
    `its logs are in ${home}`,
  );
}

async function troublesOf(home: string, index: number): Promise<string[]> {
  try {
    const { troubles } = await look(devNode(home, index), "cluster health", {}, SILENT_MS) as {
      troubles: string[];
    };
    return troubles;
  } catch (error) {
    return [`n${index}: ${error instanceof Error ? error.message : error}`];
  }
}
