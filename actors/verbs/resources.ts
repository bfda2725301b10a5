/**
 * Verbs about resources of programs. What is of the cluster the leader knows; any node passes the question on to it.
 *
 *   resource ls      the leader's          resource programs | history     of this node
 *   resource move    done by the leader
 *
 * Does NOT promise: that a resource which was moved stays there longer than it was said.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type ResourceName, resourceName } from "../../transport/wire/resource.ts";
import type { Args, Verb } from "../control.ts";
import type { NodeParts } from "../node_parts.ts";
import type { Resources } from "../resources/resources.ts";
import type { ResourceRow } from "../resources/rows.ts";
import { namedAnswer, namedNotes, namedRows } from "./address_views.ts";
import { nodeOf, text, verbIdOf, whole, wrong } from "./args.ts";
import { ASK_CHANGE_MS, askLeader, CHANGE_MS, LOOK_MS } from "./ask_leader.ts";

/** Longest pin, ms: a day. */
const PIN_MAX_MS = 86_400_000;

/** Looks of this file; anybody may ask them. */
export function resourceLooks(node: NodeParts): [string, Verb][] {
  return [
    [
      "resource ls",
      (args) =>
        atLeader(node, "resource ls", args, LOOK_MS, (resources) => rowsOf(node, resources)),
    ],
    ["resource programs", () => node.resources?.desk.rows() ?? []],
    ["resource history", () => namedNotes(node, node.resources?.history ?? [])],
  ];
}

/** Changes of this file. */
export function resourceChanges(node: NodeParts): [string, Verb][] {
  return [["resource move", (args) => move(node, args)]];
}

/** The verbs that a node may ask of the leader for its own people. */
export const LEADER_RESOURCE_VERBS: readonly string[] = ["resource move"];

/** A resource, with the names of its nodes beside their numbers. */
export interface NamedResource extends ResourceRow {
  readonly node?: string;
  readonly toNode?: string;
  readonly ableNodes: readonly string[];
}

function rowsOf(node: NodeParts, resources: Resources): NamedResource[] {
  const rows = resources.rows();
  if (rows !== undefined) return namedRows(node, rows);
  throw new CtdbxError("no_quorum", "Cannot say: this node does not lead any more");
}

/** Does it here when this node leads, and has the leader do it otherwise. */
async function atLeader(
  node: NodeParts,
  verb: string,
  args: Args,
  limitMs: number,
  here: (resources: Resources) => unknown,
): Promise<unknown> {
  const { resources } = node;
  if (resources === undefined) {
    throw new CtdbxError("unsupported", "Cannot say: this node is of a version without resources");
  }
  if (resources.machine.leading !== undefined) return await here(resources);
  return await askLeader(node, verb, args, limitMs);
}

/** A name among the arguments. Throws CtdbxError "state". */
function nameOf(args: Args): ResourceName {
  try {
    return resourceName(text(args, "name"));
  } catch (error) {
    throw error instanceof SyntaxError ? wrong(error.message) : error;
  }
}

async function move(node: NodeParts, args: Args): Promise<unknown> {
  const name = nameOf(args);
  const { pnn, name: to } = nodeOf(node, text(args, "node"));
  const forMs = args["forMs"] === undefined ? undefined : whole(args, "forMs", 0, PIN_MAX_MS);
  const verbId = verbIdOf(node, args);
  const asked = { ...args, verbId };
  return await atLeader(node, "resource move", asked, ASK_CHANGE_MS, async (resources) => {
    const { outcome, text: said } = await resources.move(verbId, name, pnn, forMs, CHANGE_MS);
    const row = resources.rows()?.find((one) => one.name === name);
    if (outcome === "done" && row?.pnn === pnn) return { name, pnn, node: to };
    if (outcome === "done") {
      // Its program went, or failed, while it was moved.
      const why = row?.pnn === undefined ? "nobody owns it" : `node ${row.pnn} has it`;
      const said = `Cannot move ${name} to ${to}: its program did not take it, ${why}`;
      throw new CtdbxError("state", namedAnswer(node, said));
    }
    const codes = { refused: "state", not_leader: "no_quorum", going_on: "unknown" } as const;
    const what = /^Cannot /.test(said) ? said : `Cannot say that ${name} is at ${to}: ${said}`;
    throw new CtdbxError(codes[outcome], namedAnswer(node, what));
  });
}
