/**
 * The Debian package: what is in it, and a life of it in a root of its own: installed, used, upgraded, removed, purged.
 * The machine's own packages are not touched.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildBinary } from "../../build/binary.ts";
import { buildDeb } from "../../build/deb.ts";
import { limit, skip } from "../limit.ts";

interface Context {
  folder: string;
  /** The package; undefined where it is not tried. */
  deb: string | undefined;
}

const test = suite<Context>("deb");
/** The package is the same wherever it is looked at. */
const IS_BUN = process.versions["bun"] !== undefined;

function onBun(name: string, run: (context: Context) => void | Promise<void>): void {
  if (IS_BUN) test(name, run);
}

/** Runs a program, demanded to succeed; its stdout. */
function output(command: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const [program = "", ...args] = command;
  const result = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...env } });
  if (result.error !== undefined) throw result.error;
  assert.is(result.status, 0, `${command.join(" ")}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

function has(program: string): boolean {
  return spawnSync(program, ["--version"]).error === undefined;
}

/** The package; skips the test where there is none. */
function packageOf({ deb }: Context): string {
  if (!IS_BUN) skip("the package holds the binary: all of it is tried on Bun");
  return deb ?? skip("no dpkg-deb: not a Debian machine");
}

test.before(limit(120_000, (context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-deb-test-"));
  if (!IS_BUN || !has("dpkg-deb")) return;
  const binary = buildBinary(join(context.folder, "ctdbx"));
  context.deb = buildDeb({ folder: context.folder, binary, compression: "none" });
}));
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test("Its fields say what it is and needs, its files belong to root", (context) => {
  const deb = packageOf(context);
  const field = (name: string) => output(["dpkg-deb", "--field", deb, name]).trim();
  assert.is(field("Package"), "ctdbx");
  assert.match(field("Version"), /^\d+\.\d+\.\d+-\d+$/);
  assert.is(field("Architecture"), output(["dpkg", "--print-architecture"]).trim());
  assert.match(field("Depends"), /^libc6 \(>= 2\.\d+\)$/);
  assert.not.match(output(["dpkg-deb", "--field", deb]), /@[A-Z_]+@/);
  const lines = output(["dpkg-deb", "--contents", deb]).trim().split("\n");
  for (const line of lines) assert.match(line, /^[-d][rwx-]{9} root\/root /);
  const modeOf = (path: string) => lines.find((line) => line.endsWith(` ./${path}`))?.slice(0, 10);
  assert.is(modeOf("usr/bin/ctdbx"), "-rwxr-xr-x");
  assert.is(modeOf("usr/lib/systemd/system/ctdbx@.service"), "-rw-r--r--");
  assert.is(modeOf("etc/ctdbx/"), "drwx------");
  assert.is(modeOf("usr/share/doc/ctdbx/"), "drwxr-xr-x");
  for (
    const path of [
      "usr/share/bash-completion/completions/ctdbx",
      "usr/share/zsh/vendor-completions/_ctdbx",
      "usr/share/fish/vendor_completions.d/ctdbx.fish",
      "usr/share/man/man1/ctdbx.1.gz",
      "usr/share/doc/ctdbx/copyright",
      "usr/share/doc/ctdbx/THIRD-PARTY.gz",
      "usr/share/doc/ctdbx/changelog.Debian.gz",
    ]
  ) assert.is(modeOf(path), "-rw-r--r--", path);
});

/** A dpkg that knows only the root of this test; scripts are told of it by DPKG_ROOT. */
class Root {
  readonly path: string;

  constructor(path: string) {
    if (process.getuid?.() !== 0) skip("dpkg gives files to root: needs root");
    this.path = path;
    const known = join(path, "var/lib/dpkg");
    for (const folder of ["info", "updates", "triggers"]) {
      mkdirSync(join(known, folder), { recursive: true });
    }
    for (const file of ["status", "available"]) writeFileSync(join(known, file), "");
  }

  dpkg(...words: string[]): string {
    // The C library is that of the machine.
    const forced = ["depends", "script-chrootless", "confold"].map((word) => `--force-${word}`);
    return output(["dpkg", `--root=${this.path}`, ...forced, ...words]);
  }

  at(path: string): string {
    return join(this.path, path);
  }

  status(): string {
    return output([
      "dpkg-query",
      `--admindir=${this.at("var/lib/dpkg")}`,
      "-W",
      "-f=${db:Status-Status}",
      "ctdbx",
    ]);
  }
}

onBun(
  "Installed, it runs; an upgrade keeps what was configured; removal keeps the state; a purge takes it",
  limit(120_000, (context) => {
    const deb = packageOf(context);
    const root = new Root(join(context.folder, "root"));
    root.dpkg("-i", deb);
    assert.is(root.status(), "installed");
    const program = root.at("usr/bin/ctdbx");
    const version = output(["dpkg-deb", "--field", deb, "Version"]).trim().replace(/-\d+$/, "");
    assert.is(output(["/usr/bin/env", "-i", program, "--version"]).trim(), version);
    const file = root.at("t.tdb");
    output(["/usr/bin/env", "-i", program, "tdb", "create", file]);
    output(["/usr/bin/env", "-i", program, "tdb", "put", file, "key", "value"]);
    assert.is(output(["/usr/bin/env", "-i", program, "tdb", "get", file, "key"]), "value");
    assert.is(statSync(root.at("etc/ctdbx")).mode & 0o777, 0o700);
    // dpkg compares every file with its sum; a line is a difference.
    assert.is(root.dpkg("--verify", "ctdbx"), "");

    const options = root.at("etc/default/ctdbx-nats");
    writeFileSync(options, "CTDBX_NATS_OPTIONS=--port 4333\n");
    const state = ["var/lib/ctdbx/n0/node.id", "var/lib/ctdbx-nats/n0/x", "var/cache/ctdbx/y"];
    for (const path of [...state, "etc/ctdbx/n0.toml"]) {
      mkdirSync(join(root.at(path), ".."), { recursive: true });
      writeFileSync(root.at(path), "");
    }
    root.dpkg("-i", deb);
    assert.match(readFileSync(options, "utf8"), /4333/);
    assert.ok(state.every((path) => existsSync(root.at(path))));

    root.dpkg("--remove", "ctdbx");
    assert.is(root.status(), "config-files");
    assert.not(existsSync(program));
    assert.not(existsSync(root.at("usr/share/doc/ctdbx")));
    assert.equal(state.map((path) => existsSync(root.at(path))), [true, true, false]);
    assert.ok(existsSync(options));

    root.dpkg("--purge", "ctdbx");
    assert.equal(readdirSync(root.at("var/lib")), ["dpkg"]);
    assert.not(existsSync(options));
    // An administrator's own file is not the package's.
    assert.equal(readdirSync(root.at("etc/ctdbx")), ["n0.toml"]);
  }),
);

onBun("systemd understands the units", (context) => {
  const deb = packageOf(context);
  if (!has("systemd-analyze")) skip("no systemd-analyze");
  const root = join(context.folder, "units");
  output(["dpkg-deb", "-x", deb, root]);
  for (const unit of ["ctdbx@.service", "ctdbx-nats@.service"]) {
    const path = join(root, "usr/lib/systemd/system", unit);
    // The program is where the unit says only when it is installed.
    writeFileSync(path, readFileSync(path, "utf8").replaceAll("/usr/bin/ctdbx", "/bin/true"));
    const { status, stdout, stderr } = spawnSync(
      "systemd-analyze",
      ["verify", "--man=no", path.replace("@", "@n0")],
      { encoding: "utf8" },
    );
    const said = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("ctdbx"));
    assert.equal(said, []);
    assert.is(status, 0, stderr);
  }
});

/** Runs a script of the package where systemctl only notes what it is told, and /run is empty. */
function noted(context: Context, script: string, words: readonly string[]): string[] {
  const deb = packageOf(context);
  const folder = join(context.folder, "scripts");
  rmSync(folder, { recursive: true, force: true });
  output(["dpkg-deb", "--control", deb, folder]);
  const notes = join(folder, "notes");
  writeFileSync(notes, "");
  for (const name of ["systemctl", "ctdbx"]) {
    const stub = join(folder, "bin", name);
    mkdirSync(join(folder, "bin"), { recursive: true });
    writeFileSync(stub, `#!/bin/sh\necho "${name} $*" >> "${notes}"\n`);
    chmodSync(stub, 0o755);
  }
  const prepare = [
    "mount -t tmpfs none /run",
    "mkdir -p /run/systemd/system /run/ctdbx/n0 /run/ctdbx/n1",
    "touch /run/ctdbx/n1/supervisor.pid",
    // The machine's own are out of the script's reach.
    "for at in /var/lib /var/cache /etc/systemd /etc/ctdbx; do [ ! -d $at ] || mount -t tmpfs none $at; done",
    `PATH="${folder}/bin:$PATH" "${join(folder, script)}" ${words.join(" ")}`,
  ].join(" && ");
  const result = spawnSync("unshare", ["--mount", "/bin/sh", "-c", prepare], { encoding: "utf8" });
  assert.is(result.status, 0, result.stderr);
  return readFileSync(notes, "utf8").trim().split("\n").filter((line) => line !== "");
}

onBun("Removal stops services and nodes, an upgrade lets them run", (context) => {
  packageOf(context);
  const mayMount = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/run"]);
  if (mayMount.status !== 0) skip("no mount namespace: needs root");
  assert.equal(noted(context, "prerm", ["remove"]), [
    "systemctl stop ctdbx@*.service ctdbx-nats@*.service",
    "ctdbx daemon stop --node-name n1",
  ]);
  assert.equal(noted(context, "prerm", ["upgrade", "9.9.9-1"]), []);
  assert.equal(noted(context, "postinst", ["configure"]), ["systemctl --system daemon-reload"]);
  assert.equal(noted(context, "postrm", ["remove"]), ["systemctl --system daemon-reload"]);
});

test.run();
