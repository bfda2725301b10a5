/**
 * The folder that event scripts have first on their PATH, and as CTDB_HELPER_BINDIR.
 *
 *   ctdb          the stand-in: asks the node (cli/standin.ts)
 *   ctdb-config   says where databases are, and knows nothing else
 *   others        links to CTDB's own helpers, where there are any
 *
 * It is below the state folder, as run folders are often mounted without the right to execute.
 *
 * Does NOT promise: that a helper of CTDB works: those that speak with ctdbd find none.
 */

import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HELPERS } from "../actors/events/scripts_config.ts";
import type { LockConfig } from "../actors/node_config.ts";

/** What the tools are made for. */
export interface ToolsWish {
  /** The folder; absolute. It is made anew. */
  readonly folder: string;
  /** The node's socket. */
  readonly socket: string;
  /** Starts ctdbx. */
  readonly command: readonly string[];
  /** Where databases are, as scripts see it: they look at how full its disk is. */
  readonly state: string;
  readonly lock: LockConfig;
  /** CTDB's helpers; undefined: the first of HELPERS that is there. */
  readonly helpers?: string;
}

/** Makes the folder. Throws what node:fs throws. */
export function makeTools(wish: ToolsWish): void {
  const { folder, socket, command, helpers } = wish;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const own: Readonly<Record<string, string>> = {
    ctdb: `exec ${[...command, "event", "ctdb", "--socket", socket].map(quoted).join(" ")} -- "$@"`,
    "ctdb-config": configText(wish),
  };
  for (const [name, text] of Object.entries(own)) {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  }
  const places = helpers === undefined ? HELPERS : [helpers];
  const place = places.find((each) => namesIn(each).length > 0);
  if (place === undefined) return;
  for (const name of namesIn(place)) {
    if (!(name in own)) symlinkSync(join(place, name), join(folder, name));
  }
}

/** Answers as CTDB's does: an empty line for what is not set, 2 for what it does not know. */
function configText({ state, lock }: ToolsWish): string {
  const folders = ["volatile", "persistent", "state"]
    .map((kind) => `"get:database:${kind} database directory"`).join("|");
  const locks = ["recovery", "cluster"].map((kind) => `"get:cluster:${kind} lock"`).join("|");
  return `case "$1:$2:$3" in
  ${folders}) echo ${quoted(state)} ;;
  ${locks}) echo ${quoted(lock.kind === "file" ? lock.path : "")} ;;
  get:*) echo "Configuration option [$2] -> \\"$3\\" not defined" >&2; exit 2 ;;
  *) echo "usage: ctdb-config get SECTION OPTION" >&2; exit 1 ;;
esac`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A word of a shell, whatever is in it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
