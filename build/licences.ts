/**
 * The licences of what is inside a binary or a bundle: every npm package that is packed, Bun, nats-server.
 *
 * Their authors ask that their texts go with every copy; `npm run build` writes them beside the program, and the
 * Debian package has them in its documentation.
 *
 * Does NOT promise: legal advice; it collects the files that the packages come with.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./steps.ts";

/** Dependencies that are no part of the JavaScript: they run it. */
const RUNTIMES = ["bun", "deno"];
/** Where Debian keeps the licence of the server that is embedded. */
const NATS_COPYRIGHT = "/usr/share/doc/nats-server/copyright";

/** One npm package that is packed. */
export interface Licence {
  readonly name: string;
  readonly version: string;
  /** As its package.json says: "MIT". */
  readonly licence: string;
  /** The text that it comes with. */
  readonly text: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** All packages that a checkout's program needs, by name. Throws when one has no licence or no text of it. */
export function licencesOf(root: string): Licence[] {
  const own = manifestOf(root);
  const waiting = Object.keys(own.dependencies ?? {}).filter((name) => !RUNTIMES.includes(name));
  const found = new Map<string, Licence>();
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const folder = join(root, "node_modules", name);
    const manifest = manifestOf(folder);
    if (found.has(manifest.name)) continue;
    found.set(manifest.name, licenceOf(folder, manifest));
    waiting.push(...Object.keys(manifest.dependencies ?? {}));
  }
  return [...found.values()].sort((one, other) => one.name < other.name ? -1 : 1);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

function licenceOf(folder: string, { name, version, license }: Manifest): Licence {
  const file = readdirSync(folder).find((one) => /^licen[cs]e(?:\.(?:md|txt))?$/i.test(one));
  if (license === undefined) throw new Error(`Cannot pack ${name}: it names no licence`);
  if (file !== undefined) {
    return { name, version, licence: license, text: readFileSync(join(folder, file), "utf8") };
  }
  throw new Error(`Cannot pack ${name}: it comes without the text of its licence (${license})`);
}

/** The text for a copy. `natsVersion`: of the server inside, if there is one. */
export function thirdPartyText(natsVersion: string | undefined): string {
  const bun = manifestOf(join(ROOT, "node_modules/bun"));
  const parts = [
    "ctdbx holds the work of others. These are their licences.",
    `Bun ${bun.version} (only in the binary): MIT. It holds JavaScriptCore and WebKit (LGPL-2.0, LGPL-2.1,\n` +
    "BSD) and other libraries; their list and sources: https://bun.com/docs/project/licensing",
  ];
  if (natsVersion !== undefined) {
    const notice = existsSync(NATS_COPYRIGHT) ? `\n\n${readFileSync(NATS_COPYRIGHT, "utf8")}` : "";
    parts.push(
      `nats-server ${natsVersion} (only in the binary): Apache-2.0, the NATS authors${notice}`,
    );
  }
  for (const { name, version, licence, text } of licencesOf(ROOT)) {
    parts.push(`${name} ${version}: ${licence}\n\n${text.trim()}`);
  }
  return `${parts.join(`\n\n${"-".repeat(80)}\n`)}\n`;
}
