/**
 * Completion scripts for bash, zsh and fish, made from the command tree. They are static but for the names of nodes,
 * which the program is asked for, for a second at most.
 *
 *   words so far ──▶ path ("tdb get") ──▶ behind an option with a value: that value
 *                                    ├──▶ begins with -: options of the path
 *                                    └──▶ what is in the group, or the next argument
 *
 * Does NOT promise: completion of values that only the program can know; names of nodes are the exception.
 */

import { bashScript } from "./completion_bash.ts";
import { fishScript } from "./completion_fish.ts";
import { zshScript } from "./completion_zsh.ts";
import type { Part } from "./tree.ts";

/** The shells there are scripts for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of them. */
export type Shell = (typeof SHELLS)[number];

/** The script for a shell. */
export function completionScript(shell: Shell, parts: readonly Part[]): string {
  switch (shell) {
    case "bash":
      return bashScript(parts);
    case "zsh":
      return zshScript(parts);
    case "fish":
      return fishScript(parts);
  }
}
