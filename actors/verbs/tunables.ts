/**
 * Verbs about tunables: what holds at this node, what is set anywhere, who set it, and setting it.
 *
 *   shown     tunable list | get | history          changing  tunable set {name, to, nodes} | reset {name, nodes}
 *
 * Without nodes a value is the cluster's. What is set already is answered as set, and not told again.
 *
 * Does NOT promise: that another node has heard of it when it is answered; it has within about a second.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { fitText, NODES_MAX } from "../../transport/wire/limits.ts";
import type { NodeId } from "../../transport/wire/terms.ts";
import type { Args, Call, Verb } from "../control.ts";
import type { NodeParts } from "../node_parts.ts";
import { ACTIVE, OBSOLETE, settableOf, tunableOf, valueOf } from "../tunables/catalogue.ts";
import type { TunableEntry } from "../tunables/entry.ts";
import type { Change, Place, Setting } from "../tunables/values.ts";
import { heldValue } from "../tunables/values.ts";
import { documentAt, nodeOf, text, wrong } from "./args.ts";

/** A value is a number: so many characters at most. */
const DIGITS_MAX = 40;

/** Looks of this file; anybody may ask them. */
export function tunableLooks(node: NodeParts): [string, Verb][] {
  return [
    ["tunable list", () => [...ACTIVE, ...OBSOLETE].map((entry) => rowOf(node, entry))],
    ["tunable get", (args) => get(node, args)],
    ["tunable history", (args) => history(node, args)],
  ];
}

/** What changes something: for the owner on the socket, and an admin on the bus. */
export function tunableChanges(node: NodeParts): [string, Verb][] {
  return [
    ["tunable set", (args, call) => set(node, args, call)],
    ["tunable reset", (args, call) => reset(node, args, call)],
  ];
}

/** One tunable as it is at this node. */
function rowOf({ tunables }: NodeParts, entry: TunableEntry): Record<string, unknown> {
  const { cluster, node } = tunables.own(entry.name);
  const from = node !== undefined ? "node" : cluster !== undefined ? "cluster" : "default";
  const { value: byDefault, ...about } = entry;
  return { ...about, value: node ?? cluster ?? byDefault, default: byDefault, from };
}

async function get(node: NodeParts, args: Args): Promise<unknown> {
  const entry = tunableOf(text(args, "name"));
  const row = rowOf(node, entry);
  try {
    const setting = (await node.tunables.settings()).set.get(entry.name);
    const [last] = (await node.tunables.history(entry)).slice(-1);
    return {
      ...row,
      isWhole: true,
      cluster: heldValue(setting?.cluster),
      nodes: nodesOf(node, setting),
      last: last === undefined ? undefined : changeView(node, last),
    };
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    // What holds here is known without anybody: scripts ask for it while the node starts.
    const { cluster } = node.tunables.own(entry.name);
    return { ...row, isWhole: false, cluster, nodes: [], last: undefined };
  }
}

/** The nodes that have a value of their own. */
function nodesOf(node: NodeParts, setting: Setting | undefined): Record<string, unknown>[] {
  if (setting === undefined) return [];
  return documentAt(node).nodes.flatMap(({ nodeId, pnn, name }) => {
    const value = heldValue(setting.nodes.get(nodeId));
    return value === undefined ? [] : [{ pnn, name, value }];
  });
}

async function history(node: NodeParts, args: Args): Promise<unknown> {
  const entry = args["name"] === undefined ? undefined : tunableOf(text(args, "name"));
  const changes = await node.tunables.history(entry);
  return changes.map((change) => changeView(node, change));
}

function changeView(node: NodeParts, change: Change): Record<string, unknown> {
  const { name, place, before, after, by, wallMs, writer } = change;
  const nodes = documentAt(node).nodes;
  const nameOf = (nodeId: NodeId): string =>
    nodes.find((each) => each.nodeId === nodeId)?.name ?? `a node that is gone (${nodeId})`;
  return {
    ...{ name, before, after, by, wallMs },
    place: place === "cluster" ? place : nameOf(place),
    at: nameOf(writer),
  };
}

async function set(node: NodeParts, args: Args, call: Call): Promise<unknown> {
  const entry = settableOf(text(args, "name"));
  const value = valueOf(entry, text(args, "to").slice(0, DIGITS_MAX));
  return await changed(node, entry, value, args, call);
}

async function reset(node: NodeParts, args: Args, call: Call): Promise<unknown> {
  return await changed(node, settableOf(text(args, "name")), undefined, args, call);
}

async function changed(
  node: NodeParts,
  entry: TunableEntry,
  value: number | undefined,
  args: Args,
  { by }: Call,
): Promise<unknown> {
  const places = placesOf(node, args);
  const results = await node.tunables.set(entry, value, [...places.keys()], callerText(node, by));
  const done = results.map(({ place, ...result }) => ({ place: places.get(place), ...result }));
  return { ...rowOf(node, entry), done };
}

/** Where it is to hold, by id, with a name for people: the cluster, or the nodes that are named. */
function placesOf(node: NodeParts, args: Args): Map<Place, string> {
  const named = args["nodes"];
  if (named === undefined) return new Map([["cluster", "cluster"]]);
  const isList = Array.isArray(named) && named.length >= 1 && named.length <= NODES_MAX;
  if (!isList || !named.every((each) => typeof each === "string")) {
    throw wrong("nodes must be a list of names or numbers");
  }
  return new Map(named.map((each) => {
    const { nodeId, name } = nodeOf(node, each as string);
    return [nodeId, name];
  }));
}

/** Who asks, for the history. */
function callerText(node: NodeParts, by: Call["by"]): string {
  if (by === undefined) return "the node itself";
  if (by.way === "socket") {
    return by.uid === undefined ? "a program of this machine" : `uid ${by.uid}, pid ${by.pid}`;
  }
  const user = node.state.adopted?.users?.find(({ tag }) => tag === by.tag);
  return fitText(user === undefined ? `tag ${by.tag}` : `${user.name} (over NATS)`);
}

/** What a program may not do because a tunable says so. Throws CtdbxError "denied". */
export function refuseByTunable({ tunables }: NodeParts, name: string): void {
  if (tunables.get("AllowClientDBAttach") !== 0) return;
  const text = `Cannot make database ${name}: the tunable AllowClientDBAttach is 0`;
  throw new CtdbxError("denied", `${text}; an operator may, with \`ctdbx db attach\``);
}
