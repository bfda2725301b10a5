/** Which folder `ctdbx dev` works on. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readPublicAddresses } from "../../actors/addresses/public_addresses.ts";
import { hintFor } from "../../cli/commands/dev_run.ts";
import {
  devAddresses,
  devSections,
  devServiceFile,
  markService,
  writeDevFiles,
} from "../../cli/dev_addresses.ts";
import { devHome } from "../../cli/dev_cluster.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

const test = suite("the folder of a development cluster");

test("is the named one, or the one of the node that is named", () => {
  const home = mkdtempSync(join(tmpdir(), "ctdbx-home-"));
  try {
    for (const name of ["n1", "node"]) mkdirSync(join(home, name));
    assert.is(devHome(join(home, "n1")), join(home, "n1"), "there is no cluster above");
    writeFileSync(join(home, "dev.json"), "{}");
    assert.is(devHome(home), home);
    assert.is(devHome(join(home, "n1")), home);
    assert.is(devHome(join(home, "n1") + "/"), home);
    assert.is(devHome(join(home, "node")), join(home, "node"), "no node has such a name");
    writeFileSync(join(home, "n1", "dev.json"), "{}");
    assert.is(devHome(join(home, "n1")), join(home, "n1"), "a cluster of its own");
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("a node's list of addresses stays as it was edited, the file of its check is made anew", () => {
  const home = mkdtempSync(join(tmpdir(), "ctdbx-home-"));
  try {
    mkdirSync(join(home, "n1"));
    writeDevFiles(home, 1, 64);
    const list = join(home, "n1", "public_addresses");
    const read = () => readPublicAddresses(readFileSync(list, "utf8"), list);
    assert.equal(read().map(({ address }) => address), devAddresses(64));
    assert.is(new Set(devAddresses(64)).size, 128);
    const sections = devSections(home, 1);
    assert.match(sections, `\nfile = "${list}"\nbackend = "dry"\n`);
    const [, path = ""] = /\npath = "(.*)"\n/.exec(sections) ?? [];
    assert.ok(existsSync(path), "a node is well when it begins");
    markService(home, 1, false);
    assert.not(existsSync(devServiceFile(home, 1)));
    writeFileSync(list, "192.0.2.77/24 dry0\n");
    writeDevFiles(home, 1, 3);
    assert.equal(read().map(({ address }) => address), ["192.0.2.77"]);
    assert.ok(existsSync(devServiceFile(home, 1)));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("a cluster that an older version made: what to do about it, with its folder", () => {
  const hint = hintFor(new CtdbxError("version", "this needs format 2"), "/home/a/dev");
  for (const command of ["dev down --remove", "cluster upgrade --finalize", "dev up", "dev down"]) {
    assert.match(hint, `ctdbx ${command} --home /home/a/dev`);
  }
  assert.is(hintFor(new CtdbxError("io", "x"), "/d"), "the nodes' logs are in /d");
});

test.run();
