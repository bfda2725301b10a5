/**
 * What a packed program knows of itself, and where the threads of a program are.
 *
 *   sources   cli/main.ts, each thread in a file of its own beside the one that starts it
 *   bundle    ctdbx.js      one file for Bun and Deno   }  it starts itself as a thread;
 *   binary    ctdbx         the same, with Bun inside   }  cli/threads.ts tells which one
 *   folder    main.js, each thread in a file of its own, and what they share, all in one folder
 *
 * What packs it (build/binary.ts, bundle.ts, folder.ts) puts the stamp in the place of CTDBX_BUILD; from sources there
 * is none.
 *
 * Does NOT promise: that the commit of a checkout with changes says what was in it; it ends in "+" then.
 */

import process from "node:process";
import { pathToFileURL } from "node:url";

/** The nats-server inside a binary. */
export interface EmbeddedNats {
  /** As `nats-server --version` says it: 2.9.10. */
  readonly version: string;
  /** Bytes. */
  readonly size: number;
  /** In hex. */
  readonly sha256: string;
}

/** The stamp of a packed program. */
export interface Build {
  readonly kind: "binary" | "bundle" | "folder";
  /** Of git, short, "+" when files differed from it; absent: built outside of a checkout. */
  readonly commit?: string;
  /** Absent: there is none inside. */
  readonly nats?: EmbeddedNats;
}

/** Put in by the bundler; it does not exist otherwise. */
declare const CTDBX_BUILD: Build | undefined;

/** The stamp of this program; undefined: it runs from its sources. */
export function thisBuild(): Build | undefined {
  return typeof CTDBX_BUILD === "undefined" ? undefined : CTDBX_BUILD;
}

/**
 * Where the thread `name` of a module is: NAME.ts beside it, NAME.js in a folder, or the packed program itself. `from`
 * is the module's own import.meta.url.
 */
export function threadUrl(name: string, from: string): URL {
  const kind = thisBuild()?.kind;
  if (kind === undefined) return new URL(`./${name}.ts`, from);
  if (kind === "folder") return new URL(`./${name}.js`, from);
  // A binary is made of pieces, and `from` is one of them: the program is what was started.
  const program = kind === "binary" ? pathToFileURL(process.argv[1] ?? "") : from;
  // What follows the question mark tells Deno's threads apart; Bun tells them by their workerData.
  return new URL(`?thread=${name}`, program);
}
