/**
 * `ctdbx version`: what this program is, what it runs on, and which nats-server it would start.
 *
 * Does NOT promise: the version of the daemon that runs; an older one may run on after an upgrade of the program.
 */

import { spawnSync } from "node:child_process";
import process from "node:process";
import type { Command } from "commander";
import { thisBuild } from "../../transport/real_build.ts";
import { declare } from "../declare.ts";
import { object, type RowOf } from "../result.ts";
import { VERSION } from "../run.ts";
import { int, maybe, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";

/** A nats-server that does not say its version within this is none, ms. */
const ASK_MS = 2000;

const RESULT = object({
  version: text("Version", "of ctdbx"),
  commit: maybe(text("Commit", "of the checkout it was built from; ends in + when files differed")),
  form: word("Form", "how it is packed", ["binary", "bundle", "folder", "sources"]),
  runtime: text("Runtime", "what runs it, with its version"),
  protocol: int("Protocol", "the newest one that a node of it speaks"),
  stateFormat: int("State format", "the newest one of files in a node's state folder"),
  natsServer: maybe(text("NATS server", "version of the nats-server that it would start")),
  natsFrom: maybe(
    text("NATS server from", 'path of that nats-server; "embedded": inside the binary'),
  ),
});

/** Adds `ctdbx version`. */
export function addVersionCommand(program: Command, world: CommandWorld): void {
  declare<object, RowOf<typeof RESULT>>(
    program.command("version").description("what this program is, and what it knows"),
    world,
    { result: RESULT },
    async (task) => {
      // Not at the top: --version shall not load the library of messages.
      const { STATE_FORMAT } = await import("../../transport/wire/durable.ts");
      const { PROTOCOL } = await import("../../transport/wire/envelope.ts");
      const build = thisBuild();
      task.out.object({
        version: VERSION,
        commit: build?.commit,
        form: build?.kind ?? "sources",
        runtime: runtime(),
        protocol: PROTOCOL,
        stateFormat: STATE_FORMAT,
        ...await natsServer(),
      });
    },
  );
}

function runtime(): string {
  const { deno, bun } = process.versions;
  return deno === undefined ? `Bun ${bun}` : `Deno ${deno}`;
}

async function natsServer(): Promise<{ natsServer?: string; natsFrom?: string }> {
  const { installedNatsServer } = await import("../../transport/real_nats_server.ts");
  const named = process.env["CTDBX_NATS_SERVER"] || undefined;
  const embedded = thisBuild()?.nats;
  const path = named === "embedded" ? undefined : named ?? installedNatsServer(process.env);
  if (path === undefined) {
    return embedded === undefined ? {} : { natsServer: embedded.version, natsFrom: "embedded" };
  }
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8", timeout: ASK_MS });
  const version = /\bv?(\d+\.\d+\.\d+\S*)/.exec(stdout ?? "")?.[1];
  return version === undefined ? { natsFrom: path } : { natsServer: version, natsFrom: path };
}
