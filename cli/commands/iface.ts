/**
 * `ctdbx iface ls | set`: the interfaces that public addresses may be on.
 *
 * Does NOT promise: that what is set outlives the daemon.
 */

import type { Command } from "commander";
import type { InterfaceRow } from "../../actors/verbs/clients.ts";
import { declare } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";

const NAME = text("Interface", "its name");
const FIELDS = {
  name: NAME,
  kernel: maybe(word(
    "Kernel",
    "how its link is; null: this node sets no real addresses, and does not look",
    ["up", "down", "missing"],
  )),
  set: maybe(word("Set", "by `iface set` or a script; null: nobody has said anything", [
    "up",
    "down",
  ])),
  isUsable: flag("Usable", "may it have addresses now?"),
  listed: int("Listed", "addresses of the node's list that may be on it"),
  addresses: list("Addresses", "those that are on it", text("Address", "an address")),
};
const LS = rows(FIELDS, {
  table: ["name", "kernel", "set", "isUsable", "listed", {
    name: "addresses",
    text: ({ addresses }) => addresses.join(" "),
  }],
});
const SET = object({
  name: NAME,
  set: word("Set", "how it counts from now on, as far as the kernel agrees", ["up", "down"]),
});

/** Adds `ctdbx iface`. */
export function addIfaceCommands(program: Command, world: CommandWorld): void {
  const iface = program.command("iface").description("interfaces of public addresses");
  declare<object, RowOf<typeof LS>>(
    iface.command("ls").description("those of the node's list, and what is on them"),
    world,
    { result: LS, asks: "node" },
    async ({ flags, out }) => {
      const found = await (await Asked.of(flags)).look("iface ls") as readonly InterfaceRow[];
      for (const row of found) out.row({ ...row, addresses: [...row.addresses] });
    },
  );
  declare<object, RowOf<typeof SET>>(
    iface.command("set <name> <link>").description("count a link as up or down"),
    world,
    { result: SET, asks: "node", changes: true },
    async ({ flags, out }, name = "", link = "") => {
      if (link !== "up" && link !== "down") {
        throw new Failure(
          EXIT.usage,
          `Cannot set the link to ${JSON.stringify(link)}: up and down are possible`,
          "`ctdbx iface ls` shows how it is",
        );
      }
      const asked = await Asked.of(flags);
      const answer = await asked.ask("iface set", { iface: name, up: link === "up" });
      out.object(answer as RowOf<typeof SET>);
    },
  );
}
