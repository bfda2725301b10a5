/**
 * `npm run build:deb`: the Debian package, build/out/ctdbx_VERSION_ARCH.deb, made of the binary by dpkg-deb alone.
 *
 *   /usr/bin/ctdbx                      the binary
 *   /usr/lib/systemd/system/            ctdbx@.service, ctdbx-nats@.service
 *   /etc/ctdbx/  /etc/default/ctdbx-nats
 *   /usr/share/                         man pages, completions, documents, licences
 *
 * Files of the package that are no code are in build/package/.
 *
 * Does NOT promise: an upload to Debian: there is no source package.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, globSync, mkdirSync, mkdtempSync } from "node:fs";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { buildBinary } from "./binary.ts";
import { thirdPartyText } from "./licences.ts";
import { mebibytes, type Packed } from "./pack.ts";
import { OUT, ROOT } from "./steps.ts";

const PACKAGE = join(ROOT, "build/package");
const DOC = "usr/share/doc/ctdbx";
/** Raised when only the package changed. */
const REVISION = 1;
/** Documents of the checkout that go with it. */
const DOCUMENTS = [
  "README.md",
  "docs/*.md",
  "docs/scripts/*",
  "docs/grafana/*",
  "docs/examples/*",
];
/** Where the completions of each shell are looked for. */
const COMPLETIONS = {
  bash: "usr/share/bash-completion/completions/ctdbx",
  zsh: "usr/share/zsh/vendor-completions/_ctdbx",
  fish: "usr/share/fish/vendor_completions.d/ctdbx.fish",
} as const;

/** What the package is made with. */
export interface DebOptions {
  /** Folder of the .deb. */
  readonly folder: string;
  /** The program to pack; one is built when absent. */
  readonly binary?: Packed;
  /** small: xz, which takes most of a minute; none: for a test. */
  readonly compression: "small" | "none";
}

/** Makes the package; its path. Throws with the words of the program that failed. */
export function buildDeb({ folder, binary, compression }: DebOptions): string {
  const stage = mkdtempSync(join(tmpdir(), "ctdbx-deb-"));
  try {
    const program = binary ?? buildBinary(join(OUT, "ctdbx"));
    const version = `${
      JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).version
    }-${REVISION}`;
    const architecture = output("dpkg", ["--print-architecture"]).trim();
    layFiles(stage, program);
    pressed(join(stage, DOC, "changelog.Debian.gz"), changelog(version, program));
    settleModes(stage);
    layControl(stage, program, version, architecture);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `ctdbx_${version}_${architecture}.deb`);
    const options = compression === "small" ? ["-Zxz"] : ["-Znone"];
    output("dpkg-deb", ["--root-owner-group", ...options, "--build", stage, path]);
    return path;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function output(program: string, args: readonly string[]): string {
  const result = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (result.error !== undefined) throw result.error;
  if (result.status === 0) return result.stdout;
  throw new Error(`${program} ${args.join(" ")}: ${result.stderr.trim()}`);
}

/** Puts everything that is installed below `stage`. */
function layFiles(stage: string, { path, build }: Packed): void {
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(join(stage, to)), { recursive: true });
    copyFileSync(from, join(stage, to));
  };
  put(path, "usr/bin/ctdbx");
  for (const unit of ["ctdbx@.service", "ctdbx-nats@.service"]) {
    put(join(PACKAGE, unit), `usr/lib/systemd/system/${unit}`);
  }
  put(join(PACKAGE, "ctdbx-nats.default"), "etc/default/ctdbx-nats");
  mkdirSync(join(stage, "etc/ctdbx"));
  put(join(PACKAGE, "copyright"), `${DOC}/copyright`);
  put(join(PACKAGE, "n0.toml"), `${DOC}/examples/n0.toml`);
  for (const file of DOCUMENTS.flatMap((pattern) => globSync(pattern, { cwd: ROOT }))) {
    const to = file.startsWith("docs/") && file.split("/").length > 2
      ? `examples/${file.slice("docs/".length)}`
      : basename(file);
    put(join(ROOT, file), `${DOC}/${to}`);
  }
  pressed(join(stage, DOC, "changelog.gz"), readFileSync(join(ROOT, "CHANGELOG.md")));
  pressed(join(stage, DOC, "THIRD-PARTY.gz"), thirdPartyText(build.nats?.version));
  layGenerated(stage, path);
}

function maintainer(): string {
  const { DEBFULLNAME = "ctdbx maintainers", DEBEMAIL = "ctdbx@localhost" } = process.env;
  return `${DEBFULLNAME} <${DEBEMAIL}>`;
}

/** The package's own changes, as Debian wants them; the program's are in changelog.gz. */
function changelog(version: string, { build }: Packed): string {
  const { SOURCE_DATE_EPOCH } = process.env;
  const date = SOURCE_DATE_EPOCH === undefined
    ? new Date()
    : new Date(Number(SOURCE_DATE_EPOCH) * 1000);
  const from = build.commit === undefined ? "sources without history" : `commit ${build.commit}`;
  const when = date.toUTCString().replace("GMT", "+0000");
  return `ctdbx (${version}) unstable; urgency=medium\n\n  * Built from ${from}.\n\n -- ${maintainer()}  ${when}\n`;
}

/** Gives everything the mode that it is installed with, whatever the umask of the build is. */
function settleModes(stage: string): void {
  chmodSync(stage, 0o755);
  for (const path of readdirSync(stage, { recursive: true, encoding: "utf8" })) {
    const isFolder = statSync(join(stage, path)).isDirectory();
    const isProgram = path.startsWith("usr/bin/") || path.endsWith(".sh");
    chmodSync(join(stage, path), isFolder || isProgram ? 0o755 : 0o644);
  }
  chmodSync(join(stage, "etc/ctdbx"), 0o700);
}

/** What the program itself writes: completions and man pages. */
function layGenerated(stage: string, program: string): void {
  for (const [shell, to] of Object.entries(COMPLETIONS)) {
    mkdirSync(dirname(join(stage, to)), { recursive: true });
    writeFileSync(join(stage, to), output(program, ["completion", shell]));
  }
  const pages = join(stage, "usr/share/man/man1");
  mkdirSync(pages, { recursive: true });
  output(program, ["man", pages]);
  for (const name of readdirSync(pages)) {
    pressed(join(pages, `${name}.gz`), readFileSync(join(pages, name)));
    rmSync(join(pages, name));
  }
}

function pressed(path: string, data: Uint8Array | string): void {
  writeFileSync(path, gzipSync(data, { level: 9 }));
}

/** Puts the control files: what dpkg knows of the package, and what it runs. */
function layControl(stage: string, program: Packed, version: string, architecture: string): void {
  const files = readdirSync(stage, { recursive: true, encoding: "utf8" }).sort()
    .filter((file) => statSync(join(stage, file)).isFile());
  const control = join(stage, "DEBIAN");
  mkdirSync(control);
  chmodSync(control, 0o755);
  const put = (name: string, text: string, mode = 0o644): void => {
    writeFileSync(join(control, name), text);
    chmodSync(join(control, name), mode);
  };
  const sizes = files.map((file) => Math.ceil(statSync(join(stage, file)).size / 1024));
  const values: Record<string, string> = {
    VERSION: version,
    ARCHITECTURE: architecture,
    MAINTAINER: maintainer(),
    INSTALLED_SIZE: String(sizes.reduce((sum, size) => sum + size, 0)),
    GLIBC: glibcOf(program.path),
    // Without one inside it needs one from elsewhere, though not on this machine.
    RECOMMENDS: program.build.nats === undefined
      ? "Recommends: nats-server"
      : "Suggests: nats-server",
  };
  const template = readFileSync(join(PACKAGE, "control"), "utf8");
  put("control", template.replace(/@(\w+)@/g, (_, name: string) => values[name] ?? ""));
  const conffiles = files.filter((file) => file.startsWith("etc/"));
  put("conffiles", conffiles.map((file) => `/${file}\n`).join(""));
  const sums = files.filter((file) => !conffiles.includes(file)).map((file) => {
    const sum = createHash("md5").update(readFileSync(join(stage, file))).digest("hex");
    return `${sum}  ${file}\n`;
  });
  put("md5sums", sums.join(""));
  for (const script of ["postinst", "prerm", "postrm"]) {
    put(script, readFileSync(join(PACKAGE, script), "utf8"), 0o755);
  }
}

/** The oldest C library that it runs with: the newest version that is named in it, also by the nats-server inside. */
function glibcOf(path: string): string {
  const names = readFileSync(path, "latin1").match(/(?<=\0GLIBC_)2\.\d+(?=\0)/g) ?? [];
  const minors = names.map((name) => Number(name.split(".")[1]));
  if (minors.length === 0) throw new Error(`Cannot tell which C library ${path} needs`);
  return `2.${Math.max(...minors)}`;
}

function main([folder = OUT]: string[]): void {
  const path = buildDeb({ folder: resolve(folder), compression: "small" });
  console.log(`${relative(process.cwd(), path)}  ${mebibytes(statSync(path).size)}`);
}

if (import.meta.main) main(process.argv.slice(2));
