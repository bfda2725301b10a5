/**
 * This program, as a command that starts it again.
 *
 *   binary    the program alone
 *   bundle    runtime and bundle           (the bundler gives all modules the bundle's own import.meta.url)
 *   folder    runtime and main.js in it
 *   sources   runtime and cli/main.ts; or what CTDBX_PROGRAM names: the folder, or a binary, which start sooner
 *
 * Does NOT promise: anything when the checkout, the bundle or the binary has moved meanwhile.
 */

import { basename } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { thisBuild } from "../transport/real_build.ts";

/** The words before the arguments: runtime and script, or the binary. */
export function selfCommand(): string[] {
  const kind = thisBuild()?.kind;
  if (kind === "binary") return [process.execPath];
  const named = kind === undefined ? process.env["CTDBX_PROGRAM"] : undefined;
  if (named && !/\.[jt]s$/.test(named)) return [named];
  const script = scriptOf(kind);
  if (process.versions["deno"] === undefined) return [process.execPath, script];
  // A bundle needs no configuration and no packages, so it shall not look for any above its folder.
  const alone = kind === "bundle" ? ["--no-config", "--no-lock"] : [];
  return [process.execPath, "run", "-A", "--quiet", ...alone, script];
}

function scriptOf(kind: "bundle" | "folder" | undefined): string {
  if (kind === "bundle") return fileURLToPath(import.meta.url);
  if (kind === "folder") return fileURLToPath(new URL("./main.js", import.meta.url));
  return process.env["CTDBX_PROGRAM"] || fileURLToPath(new URL("./main.ts", import.meta.url));
}

/** What a user types for this program, for hints that are to be copied. */
export function typedCommand(): string {
  const kind = thisBuild()?.kind;
  if (kind === "binary") return "ctdbx";
  if (kind === undefined || kind === "folder") return "npm run -s ctdbx --";
  const runtime = process.versions["deno"] === undefined ? "bun" : "deno run -A";
  return `${runtime} ${basename(fileURLToPath(import.meta.url))}`;
}
