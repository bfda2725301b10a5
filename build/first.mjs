/**
 * The first thing every npm script runs: plain Node, because nothing else is there yet.
 *
 * Installs the npm packages when they are absent or not those of package-lock.json (an `npm ci` by
 * hand is as good), sees to it that the real binaries of Bun and Deno are in place (npm may refuse
 * to run their install scripts), and hands over.
 *
 *   node build/first.mjs [--deno] FILE ARGS...      FILE on Bun, or `deno FILE ARGS...`
 *
 * Does NOT promise: to notice packages that were changed by hand inside node_modules.
 */

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Says which lock file the packages were installed from, and on which kind of machine. */
const STAMP = join(ROOT, "node_modules", ".ctdbx-installed");

/** What npm itself has written down at the end of its last installation. */
const BY_NPM = join(ROOT, "node_modules", ".package-lock.json");

/** Where each runtime's package keeps its binary, and the script that puts it there. */
const RUNTIMES = {
  bun: { binary: "bun/bin/bun.exe", install: "bun/install.js" },
  deno: { binary: "deno/deno", install: "deno/install.cjs" },
};

/**
 * Installs what is missing; returns the path of the asked runtime's real binary. Exits when it
 * cannot.
 */
export function ready(runtime) {
  const wanted = `${lockHash()} ${process.platform}-${process.arch}\n`;
  if (!existsSync(STAMP) || readFileSync(STAMP, "utf8") !== wanted) {
    if (!isInstalled(read(join(ROOT, "package-lock.json")), read(BY_NPM))) install();
    for (const name of Object.keys(RUNTIMES)) settle(name);
    writeFileSync(STAMP, wanted);
  }
  return settle(runtime);
}

/** Runs a runtime in the foreground, passes signals on, and ends as it ends. */
export function handOver(binary, args, cwd) {
  const child = spawn(binary, args, { stdio: "inherit", cwd });
  // Ctrl-C reaches the child by itself, with the process group; a kill of this process does not.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`Cannot start ${binary}: ${error.message}`));
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 1));
  });
}

function lockHash() {
  return createHash("sha256").update(readFileSync(join(ROOT, "package-lock.json"))).digest("hex");
}

/**
 * Are the packages that npm has installed those of the lock file? Both are texts of lock files; what
 * is optional (the binaries of other machines) may be absent.
 */
export function isInstalled(lock, installed) {
  if (lock === undefined || installed === undefined) return false;
  try {
    const [wanted, there] = [lock, installed].map((text) => JSON.parse(text).packages);
    const same = (path) =>
      there[path].version === wanted[path].version &&
      there[path].integrity === wanted[path].integrity;
    return Object.keys(there).every((path) => Object.hasOwn(wanted, path)) &&
      Object.keys(wanted).every((path) =>
        path === "" || (Object.hasOwn(there, path) ? same(path) : wanted[path].optional === true)
      );
  } catch {
    // It was cut, or is of another kind: npm makes it anew.
    return false;
  }
}

function read(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function install() {
  process.stderr.write("installing npm packages (once)\n");
  // stdout belongs to what runs next: npm's goes to stderr.
  const result = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
  });
  if (result.error) fail(`Cannot run npm: ${result.error.message}`);
  if (result.status !== 0) fail("npm ci failed; its text is above");
}

/**
 * The path of a runtime's binary; runs the package's own install script when it is only a stand-in.
 */
function settle(name) {
  const { binary, install } = RUNTIMES[name];
  const path = join(ROOT, "node_modules", binary);
  if (isProgram(path)) return path;
  const result = spawnSync(process.execPath, [join(ROOT, "node_modules", install)], {
    cwd: dirname(join(ROOT, "node_modules", install)),
    stdio: ["ignore", 2, 2],
  });
  if (result.status === 0 && isProgram(path)) return path;
  const inPackage = platformBinary(name);
  if (inPackage !== undefined) return inPackage;
  fail(`Cannot find ${name} for ${process.platform}-${process.arch} among the npm packages`);
}

/** A program starts with the magic of ELF or Mach-O; the stand-ins of npm packages are scripts. */
function isProgram(path) {
  if (!existsSync(path)) return false;
  const head = Buffer.alloc(4);
  const file = openSync(path, "r");
  readSync(file, head, 0, 4, 0);
  closeSync(file);
  return ["7f454c46", "cffaedfe", "cafebabe"].includes(head.toString("hex"));
}

/** The binary inside the platform's own package, for read-only installations. */
function platformBinary(name) {
  const require = createRequire(join(ROOT, "package.json"));
  const list = require(`${name}/package.json`).optionalDependencies ?? {};
  for (const dependency of Object.keys(list)) {
    for (const inside of [`bin/${name}`, name]) {
      const path = join(ROOT, "node_modules", dependency, inside);
      if (isProgram(path)) return path;
    }
  }
  return undefined;
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [first, ...rest] = process.argv.slice(2);
  if (first === undefined) fail("usage: node build/first.mjs [--deno] FILE ARGS...");
  if (first === "--deno") handOver(ready("deno"), rest, ROOT);
  else handOver(ready("bun"), [join(ROOT, first), ...rest], ROOT);
}
