/** Folders of event scripts: what is run, what is refused and why, enabling and disabling. */

import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RealScriptFolder } from "../../transport/real_script_folder.ts";
import type { CtdbxError } from "../../transport/wire/errors.ts";
import { SCRIPT_NAME_MAX, SCRIPTS_MAX } from "../../transport/wire/event_daemon.ts";
import { skip } from "../limit.ts";

const isRoot = process.getuid?.() === 0;
/** A user and a group that are nobody's here. */
const OTHER = 65_534;

interface Context {
  base: string;
  folder: string;
  stock: string;
  scripts: RealScriptFolder;
}

const test = suite<Context>("folder of scripts");

test.before.each((context) => {
  const base = mkdtempSync(join(tmpdir(), "ctdbx-scripts-"));
  const folder = join(base, "events", "legacy");
  const stock = join(base, "stock");
  for (const each of [folder, stock]) mkdirSync(each, { recursive: true, mode: 0o755 });
  const above = [base, join(base, "events")];
  Object.assign(context, { base, folder, stock });
  context.scripts = new RealScriptFolder({ folder, above, stock });
});
test.after.each(({ base }) => rmSync(base, { recursive: true, force: true }));

function put(folder: string, name: string, mode = 0o755): string {
  const path = join(folder, name);
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, mode);
  return path;
}

/** Each script in a line: name, state, place, why. */
function lines({ scripts }: Context): string[] {
  return scripts.look().scripts.map(({ name, state, place, why = "" }) =>
    [name, state, place, why].join(" ").trim()
  );
}

function failsWith(code: string, work: () => unknown, said: RegExp): void {
  assert.throws(work, (error: CtdbxError) => error.code === code && said.test(error.message));
}

test("scripts come by their numbers; what is called otherwise is ignored", (context) => {
  const { folder } = context;
  const odd = [
    "README",
    "1.x.script",
    "100.x.script",
    "10.x",
    "10..script",
    "ab.x.script",
    "10.x.script.bak",
  ];
  for (const name of [...odd, "50.b.script", "05.a.script", "10.c.d.script"]) put(folder, name);
  put(folder, "05.a.options");
  const shown = lines(context);
  assert.equal(shown.filter((line) => line.includes("enabled")), [
    "05.a enabled folder",
    "10.c.d enabled folder",
    "50.b enabled folder",
  ]);
  assert.ok(shown.includes("05.a.options ignored folder options of a script"));
  for (const name of odd) {
    assert.ok(shown.includes(`${name} ignored folder its name is not NN.NAME.script`), name);
  }
});

test("one that is not executable is disabled; one that others may write to is refused", (context) => {
  const { folder } = context;
  put(folder, "10.off.script", 0o644);
  put(folder, "20.open.script", 0o757);
  put(folder, "21.open_off.script", 0o646);
  mkdirSync(join(folder, "30.folder.script"));
  symlinkSync("/nowhere/x", join(folder, "40.gone.script"));
  symlinkSync("/dev/null", join(folder, "50.null.script"));
  symlinkSync(join(folder, "60.loop.script"), join(folder, "60.loop.script"));
  const shown = lines(context);
  assert.equal(shown.slice(0, 5), [
    "10.off disabled folder it is not executable",
    "20.open refused folder everybody may write to it",
    "21.open_off refused folder everybody may write to it",
    "30.folder refused folder it is no regular file",
    "40.gone refused folder it links to /nowhere/x, which is not there",
  ]);
  assert.is(shown[5], "50.null refused folder it links to /dev/null: it is no regular file");
  assert.match(shown[6] ?? "", "60.loop refused folder");
});

test("a link is judged by what it names, and by the folder of that", (context) => {
  const { folder, stock, base } = context;
  symlinkSync(put(stock, "10.good.script"), join(folder, "10.good.script"));
  symlinkSync(put(stock, "20.open.script", 0o777), join(folder, "20.open.script"));
  const loose = join(base, "loose");
  mkdirSync(loose);
  chmodSync(loose, 0o777);
  symlinkSync(put(loose, "x"), join(folder, "30.loose.script"));
  const own = lines(context).filter((line) => line.includes(" folder"));
  assert.is(own[0], "10.good enabled folder");
  assert.match(own[1] ?? "", /^20\.open refused folder it links to .*: everybody may write to it$/);
  assert.match(
    own[2] ?? "",
    /^30\.loose refused folder its folder .*loose: everybody may write to it$/,
  );
  const [good] = context.scripts.look().scripts;
  assert.is(good?.target, join(stock, "10.good.script"));
});

test(
  "what is another's is refused, and so is what another group may write to",
  (context) => {
    if (!isRoot) skip("only root may give files away");
    const { folder, stock } = context;
    chownSync(put(folder, "10.his.script"), OTHER, 0);
    chownSync(put(folder, "20.theirs.script", 0o775), 0, OTHER);
    chownSync(put(stock, "30.linked.script"), OTHER, 0);
    symlinkSync(join(stock, "30.linked.script"), join(folder, "30.linked.script"));
    const own = lines(context).filter((line) => line.includes(" folder"));
    assert.is(own[0], `10.his refused folder user ${OTHER} owns it, not root`);
    assert.is(own[1], `20.theirs refused folder group ${OTHER} may write to it`);
    assert.match(own[2] ?? "", `user ${OTHER} owns it, not root`);
    assert.is(context.scripts.look().why, undefined);
    chownSync(folder, OTHER, 0);
    assert.match(context.scripts.look().why ?? "", `legacy: user ${OTHER} owns it`);
  },
);

test("a folder that others may write to, or that is not there, has all events refused", (context) => {
  const { scripts, base, folder } = context;
  put(folder, "10.x.script");
  for (const each of [folder, join(base, "events"), base]) {
    chmodSync(each, 0o777);
    assert.match(scripts.look().why ?? "", /its folder .*: everybody may write to it/);
    chmodSync(each, 0o755);
  }
  assert.is(scripts.look().why, undefined);
  rmSync(folder, { recursive: true });
  assert.match(scripts.look().why ?? "", "cannot be read: ENOENT");
});

test("there are not any number of scripts, and names are not of any length", (context) => {
  const { folder, scripts } = context;
  for (let at = 0; at < SCRIPTS_MAX; at++) put(folder, `10.${at}.script`);
  assert.is(scripts.look().why, undefined);
  put(folder, "20.more.script");
  assert.match(scripts.look().why ?? "", "SCRIPTS_MAX");
  rmSync(join(folder, "20.more.script"));
  put(folder, `20.${"x".repeat(SCRIPT_NAME_MAX)}.script`);
  const long = scripts.look().scripts.find(({ name }) => name.startsWith("20."));
  assert.is(long?.state, "refused");
});

test("a stock script is enabled by a link, and disabled by its end", (context) => {
  const { folder, stock, scripts } = context;
  put(stock, "10.x.script");
  assert.equal(lines(context), ["10.x disabled stock"]);
  assert.is(scripts.switch("10.x", true).state, "enabled");
  assert.is(lstatSync(join(folder, "10.x.script")).isSymbolicLink(), true);
  assert.equal(lines(context), ["10.x enabled folder"]);
  assert.is(scripts.switch("10.x.script", true).state, "enabled", "again");
  assert.is(scripts.switch("10.x", false).state, "disabled");
  assert.is(existsSync(join(folder, "10.x.script")), false);
  assert.is(existsSync(join(stock, "10.x.script")), true);
  assert.is(scripts.switch("10.x", false).state, "disabled", "again");
});

test("a script of one's own is switched by its right to be executed", (context) => {
  const { folder, scripts } = context;
  const path = put(folder, "10.x.script", 0o755);
  assert.is(scripts.switch("10.x", false).state, "disabled");
  assert.is(statSync(path).mode & 0o777, 0o644);
  assert.is(scripts.switch("10.x", true).state, "enabled");
  assert.is(statSync(path).mode & 0o777, 0o744);
});

test("what cannot be switched says why", ({ folder, scripts }) => {
  mkdirSync(join(folder, "10.x.script"));
  failsWith("state", () => scripts.switch("10.x", true), /no regular file/);
  failsWith("not_found", () => scripts.switch("20.y", true), /there is no 20\.y\.script in/);
  failsWith("not_found", () => scripts.switch("20.y", false), /there is no 20\.y\.script in/);
  for (const name of ["x", "../10.x", "10./x", ""]) {
    failsWith("state", () => scripts.switch(name, true), /called NN\.NAME/);
  }
});

test.run();
