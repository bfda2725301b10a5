/**
 * `ctdbx ip arp | tickle ls | add | del | send`: the clients of public addresses, and the neighbours.
 *
 *   ip tickle add 10.1.1.7:45123 10.1.1.1:445       the client first, as CTDB has it
 *   ip tickle add - < connections                   one on each line, with blanks between its ends
 *
 * Does NOT promise: that a client hears of it; a packet may get lost. What a node does by itself it does three times.
 */

import type { Command } from "commander";
import {
  CONNECTIONS_A_CALL,
  type KnownAddress,
  type KnownConnection,
} from "../../actors/verbs/clients.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, maybe, text } from "../schema.ts";
import { type CommandWorld, readInput } from "../world.ts";
import { Asked } from "./asking.ts";

/** Longest list of connections on standard input, bytes. */
const INPUT_MAX = 16 * 1024 * 1024;
const CLIENT = text("Client", "the client's end, ADDRESS:PORT; IPv6 in brackets");
const SERVER = text("Server", "the end at the public address");
const LS = rows({
  address: text("Address", "the public address"),
  owner: maybe(int("Owner", "number of the node that took it last; null: none has")),
  client: CLIENT,
  server: SERVER,
  isTold: flag("Told", "did somebody tell it? Else the owner's kernel has it"),
});
const CHANGED = object({
  connections: int("Connections", "how many were given"),
  changed: int("Changed", "addresses whose connections are others now"),
});
const SENT = object({ connections: int("Connections", "a packet was sent for each") });
const ARP = object({
  address: text("Address", "the address that was announced"),
  iface: text("Interface", "the interface on which"),
  frames: int("Frames", "how many were sent: two of IPv4, one of IPv6"),
});

/** Adds them to `ctdbx ip`. */
export function addIpClientCommands(ip: Command, world: CommandWorld): void {
  declare<object, RowOf<typeof ARP>>(
    ip.command("arp <address> [iface]").description(
      "tell the neighbours that an address is here; without an interface it must be",
    ),
    world,
    { result: ARP, asks: "node", changes: true },
    async ({ flags, out }, address = "", iface = "") => {
      const given = iface === "" ? {} : { iface };
      const asked = await Asked.of(flags);
      out.object(await asked.ask("ip arp", { address, ...given }) as RowOf<typeof ARP>);
    },
  );
  const tickle = ip.command("tickle").description("connections of clients to public addresses");
  declare<object, RowOf<typeof LS>>(
    tickle.command("ls [address]").description("those that are known, of all addresses or one"),
    world,
    { result: LS, asks: "node" },
    ls,
  );
  for (const [verb, about] of [["add", "tell of"], ["del", "forget"]] as const) {
    declare<object, RowOf<typeof CHANGED>>(
      tickle.command(`${verb} <client> [server]`)
        .description(`${about} a connection; -: those on standard input, one a line`),
      world,
      { result: CHANGED, asks: "node", changes: true },
      async (task, ...words) => {
        let [connections, changed] = [0, 0];
        for (const answer of await each(task, `ip tickle ${verb}`, world, words)) {
          connections += answer.connections;
          changed += answer.changed ?? 0;
        }
        task.out.object({ connections, changed });
      },
    );
  }
  declare<object, RowOf<typeof SENT>>(
    tickle.command("send <client> [server]").description(
      "have a client find out whether its connection is still there; -: those on standard input",
    ),
    world,
    { result: SENT, asks: "node", changes: true },
    async (task, ...words) => {
      const answers = await each(task, "ip tickle send", world, words);
      task.out.object({ connections: answers.reduce((sum, one) => sum + one.connections, 0) });
    },
  );
}

async function ls(
  { flags, out }: Task<object, RowOf<typeof LS>>,
  address = "",
): Promise<void> {
  const asked = await Asked.of(flags);
  const addresses = address === ""
    ? (await asked.look("ip tickle ls") as KnownAddress[]).map((known) => known.address)
    : [address];
  for (const one of addresses) {
    for (let from = 0;;) {
      const { owner, total, connections } = await asked.look("ip tickle ls", {
        address: one,
        from,
      }) as {
        readonly owner: number | null;
        readonly total: number;
        readonly connections: readonly KnownConnection[];
      };
      for (const connection of connections) out.row({ address: one, owner, ...connection });
      from += connections.length;
      if (connections.length === 0 || from >= total) break;
    }
  }
}

interface Changed {
  readonly connections: number;
  readonly changed?: number;
}

/** Has the verb done for the connection of the words, or those of standard input. */
async function each(
  { flags }: Task<object, never>,
  verb: string,
  world: CommandWorld,
  words: readonly (string | undefined)[],
): Promise<Changed[]> {
  const asked = await Asked.of(flags);
  const connections = await connectionsOf(world, words);
  const answers: Changed[] = [];
  for (let at = 0; at < connections.length; at += CONNECTIONS_A_CALL) {
    const part = connections.slice(at, at + CONNECTIONS_A_CALL);
    answers.push(await asked.ask(verb, { connections: part }) as Changed);
  }
  return answers;
}

async function connectionsOf(
  world: CommandWorld,
  [client = "", server = ""]: readonly (string | undefined)[],
): Promise<readonly (readonly [string, string])[]> {
  if (client !== "-" && server !== "") return [[client, server]];
  if (client !== "-" || server !== "") {
    throw new Failure(
      EXIT.usage,
      "Cannot tell which connection: both ends are needed, that of the client first",
      "`-` alone reads connections from standard input",
    );
  }
  const text = new TextDecoder().decode(await readInput(world, INPUT_MAX, "the connections"));
  return connectionLines(text);
}

/** The connections of a list, one on each line. Throws Failure (usage), with the line. */
export function connectionLines(text: string): (readonly [string, string])[] {
  return text.split("\n").flatMap((line, index) => {
    const words = line.split(/\s+/).filter((word) => word !== "");
    if (words.length === 0) return [];
    const [client, server] = words;
    if (client !== undefined && server !== undefined && words.length === 2) {
      return [[client, server] as const];
    }
    throw new Failure(
      EXIT.usage,
      `Cannot read line ${index + 1} of the connections: it must be CLIENT:PORT SERVER:PORT`,
      "`ctdbx ip tickle ls` shows the form",
    );
  });
}
