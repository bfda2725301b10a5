/**
 * Verbs about public addresses. What is of the cluster the leader knows; any node passes the question on to it.
 *
 *   ip ls | show | plan    the leader's            ip move | rebalance    done by the leader
 *   ip held | list         of this node            ip add | del | reload  of this node's list, until it starts again
 *
 * Does NOT promise: that a change of a list is in its file; `ip reload` reads that anew.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { IpAddress } from "../../transport/wire/address.ts";
import { parseAddress } from "../../transport/wire/address.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { Addresses } from "../addresses/addresses.ts";
import { type PublicAddress, readPublicAddresses } from "../addresses/public_addresses.ts";
import { homesOf, listOf } from "../addresses/wiring.ts";
import type { Args, Verb } from "../control.ts";
import type { AddressCommand } from "../machines/addresses/takeover/events.ts";
import type { AddressRow } from "../machines/addresses/takeover/show.ts";
import type { NodeParts } from "../node_parts.ts";
import { namedAnswer, namedMoves, namedNotes, namedRows } from "./address_views.ts";
import { nodeOf, text, verbIdOf, whole, wrong } from "./args.ts";
import { ASK_CHANGE_MS, askLeader, CHANGE_MS, LOOK_MS } from "./ask_leader.ts";

/** Longest pin, ms: a day. */
const PIN_MAX_MS = 86_400_000;

/** Looks of this file; anybody may ask them. */
export function addressLooks(node: NodeParts): [string, Verb][] {
  return [
    ["ip ls", (args) => ls(node, args)],
    [
      "ip plan",
      (args) =>
        atLeader(
          node,
          "ip plan",
          args,
          (addresses) => addresses.planNow() ?? { addresses: [], steps: [] },
        ),
    ],
    ["ip held", () => node.addresses?.held() ?? []],
    ["ip list", () => listRows(node)],
    ["ip history", () => namedNotes(node, node.addresses?.history ?? [])],
  ];
}

/** Changes of this file. */
export function addressChanges(node: NodeParts): [string, Verb][] {
  return [
    ["ip move", (args) => move(node, args)],
    ["ip rebalance", (args) => rebalance(node, args)],
    ["ip add", (args) => add(node, args)],
    ["ip del", (args) => del(node, args)],
    ["ip reload", () => reload(node)],
  ];
}

/** The verbs that a node may ask of the leader for its own people. */
export const LEADER_ADDRESS_VERBS: readonly string[] = ["ip move", "ip rebalance"];

function addressesOf({ addresses }: NodeParts): Addresses {
  if (addresses !== undefined) return addresses;
  throw new CtdbxError("unsupported", "Cannot say: this node is of a version without addresses");
}

function rowsOf(addresses: Addresses): unknown {
  const rows = addresses.rows();
  if (rows !== undefined) return rows;
  throw new CtdbxError("no_quorum", "Cannot say: this node does not lead any more");
}

/** All addresses; by the leader, named by the node that is asked. */
async function ls(node: NodeParts, args: Args): Promise<unknown> {
  const rows = await atLeader(node, "ip ls", args, rowsOf) as readonly AddressRow[];
  return namedRows(node, rows);
}

/** Does it here when this node leads, and has the leader do it otherwise. */
async function atLeader(
  node: NodeParts,
  verb: string,
  args: Args,
  here: (addresses: Addresses) => unknown,
  limitMs = LOOK_MS,
): Promise<unknown> {
  const addresses = addressesOf(node);
  if (addresses.machine.leading !== undefined) return await here(addresses);
  return await askLeader(node, verb, args, limitMs);
}

async function command(
  node: NodeParts,
  addresses: Addresses,
  verbId: string,
  wish: AddressCommand,
): Promise<string> {
  const { outcome, text: said } = await addresses.command(verbId, wish, CHANGE_MS);
  if (outcome === "done") return said;
  const codes = { refused: "state", not_leader: "no_quorum", going_on: "unknown" } as const;
  const why = namedAnswer(node, said);
  if (/^Cannot /.test(why)) throw new CtdbxError(codes[outcome], why);
  const what = outcome === "refused" ? "Cannot bring it about" : "Cannot say that it is done";
  throw new CtdbxError(codes[outcome], `${what}: ${why}`);
}

/** An address among the arguments. Throws CtdbxError "state". */
function addressOf(args: Args): IpAddress {
  try {
    return parseAddress(text(args, "address"));
  } catch (error) {
    throw error instanceof SyntaxError ? wrong(error.message) : error;
  }
}

async function move(node: NodeParts, args: Args): Promise<unknown> {
  const address = addressOf(args);
  const { pnn: to, name } = nodeOf(node, text(args, "node"));
  const forMs = args["forMs"] === undefined ? {} : { forMs: whole(args, "forMs", 0, PIN_MAX_MS) };
  const verbId = verbIdOf(node, args);
  return await atLeader(node, "ip move", { ...args, verbId }, async (addresses) => {
    const holder = (): AddressRow | undefined =>
      addresses.rows()?.find((row) => row.address === address);
    // A pin takes it from where it is, and then nobody may have it.
    if (node.tunables.get("NoIPTakeover") === 1 && holder()?.pnn !== to) {
      throw wrong(`${address} cannot be moved while NoIPTakeover is 1`);
    }
    await command(node, addresses, verbId, { verb: "move", address, to, ...forMs });
    const row = holder();
    if (row?.pnn === to) return { address, pnn: to, name };
    // It could not be set there, another move came, or the pin was over before.
    const why = row?.pnn === undefined ? "nobody has it" : `node ${row.pnn} has it`;
    throw new CtdbxError("state", namedAnswer(node, `Cannot move ${address} to ${name}: ${why}`));
  }, ASK_CHANGE_MS);
}

async function rebalance(node: NodeParts, args: Args): Promise<unknown> {
  const names = args["nodes"] === undefined
    ? []
    : text(args, "nodes").split(",").filter((name) => name !== "");
  const forced = names.map((name): Pnn => nodeOf(node, name).pnn);
  const verbId = verbIdOf(node, args);
  return await atLeader(node, "ip rebalance", { ...args, verbId }, async (addresses) => {
    const said = await command(node, addresses, verbId, { verb: "rebalance", forced });
    const { plan } = addresses;
    const moved = plan?.addresses.filter(({ from, to }) => from !== to) ?? [];
    return {
      text: said,
      moved: namedMoves(node, moved),
      steps: namedMoves(node, plan?.steps ?? []),
      // Nobody moves for an address that nobody can host: that must not look like success.
      unhosted: plan?.addresses.filter((one) => one.to === undefined).length ?? 0,
    };
  }, ASK_CHANGE_MS);
}

function listRows(node: NodeParts): unknown {
  const held = new Set(addressesOf(node).held());
  return addressesOf(node).list.map(({ address, bits, interfaces }) => ({
    address,
    bits,
    interfaces,
    isHeld: held.has(address),
  }));
}

function add(node: NodeParts, args: Args): unknown {
  const addresses = addressesOf(node);
  const words = [text(args, "address"), text(args, "interfaces")];
  if (words.some((word) => word === "" || /[\s#]/.test(word))) {
    throw wrong("address and interfaces must be one word each, as 10.1.1.1/24 eth0,eth1");
  }
  const line = words.join(" ");
  const [added] = readArguments(line);
  if (added === undefined) throw wrong("address must be ADDRESS/BITS");
  if (addresses.list.some(({ address }) => address === added.address)) {
    throw new CtdbxError("state", `Cannot add ${added.address}: this node has it in its list`);
  }
  addresses.backend.requireInterfaces([added]);
  addresses.setList([...addresses.list, added]);
  return rowOf(added);
}

/** A line of a list that came as arguments: its faults are of no line. Throws CtdbxError "state". */
function readArguments(line: string): readonly PublicAddress[] {
  try {
    return readPublicAddresses(line, "the arguments").map((one) => ({ ...one, line: 0 }));
  } catch (error) {
    if (!(error instanceof CtdbxError) || error.code !== "config") throw error;
    throw wrong(error.message.replace(/^.*?: line 1: /, ""));
  }
}

function del(node: NodeParts, args: Args): unknown {
  const addresses = addressesOf(node);
  const address = addressOf(args);
  const gone = addresses.list.find((one) => one.address === address);
  if (gone === undefined) {
    throw new CtdbxError("not_found", `Cannot delete ${address}: this node has it not in its list`);
  }
  addresses.setList(addresses.list.filter((one) => one !== gone));
  return rowOf(gone);
}

const rowOf = ({ address, bits, interfaces }: PublicAddress) => ({ address, bits, interfaces });

/** Both files of the configuration. Throws CtdbxError, and nothing of them is in force then. */
function readFiles(node: NodeParts): [ReturnType<typeof listOf>, ReturnType<typeof homesOf>] {
  return unchanged(() => [listOf(node), homesOf(node)]);
}

/** Does what may refuse a new list; it is said then that nothing has changed. Throws CtdbxError "state". */
function unchanged<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    throw new CtdbxError("state", `${error.message}; the list in force is as it was`);
  }
}

function reload(node: NodeParts): unknown {
  const addresses = addressesOf(node);
  const before = addresses.list;
  const [after, homes] = readFiles(node);
  const [had, has] = [before, after].map((list) => new Map(list.map((one) => [one.address, one])));
  const isOther = (one: PublicAddress): boolean => {
    const old = had?.get(one.address);
    return old !== undefined &&
      (old.bits !== one.bits || old.interfaces.join() !== one.interfaces.join());
  };
  // An interface that has gone since must not keep other lines from being changed.
  const news = after.filter((one) => !had?.has(one.address) || isOther(one));
  unchanged(() => addresses.backend.requireInterfaces(news));
  addresses.homes = homes;
  addresses.setList(after);
  return {
    added: after.filter(({ address }) => !had?.has(address)).map(({ address }) => address),
    removed: before.filter(({ address }) => !has?.has(address)).map(({ address }) => address),
    changed: after.filter(isOther).map(({ address }) => address),
  };
}
