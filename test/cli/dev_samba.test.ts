/** The database of Samba that the main job works on: made by Samba itself where it is installed, else from a dump. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { dumpedRecords, findNet, makeRegistry, SHARES } from "../../cli/dev_samba.ts";
import { dumpText } from "../../cli/dump_text.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { skip } from "../limit.ts";

const test = suite("a database of Samba");
const store = new RealImageStore();
const TEXT = new TextDecoder("latin1");

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-samba-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The records of a file, as the text of tdbdump by key. */
async function contents(path: string): Promise<Map<string, string>> {
  const tdb = await openTdb(store, path, { readOnly: true });
  try {
    const found = new Map<string, string>();
    await tdb.traverse((record) =>
      void found.set(TEXT.decode(record.key()), TEXT.decode(record.value()))
    );
    return found;
  } finally {
    tdb.close();
  }
}

function shares(found: Map<string, string>): string[] {
  return [...found.keys()].filter((key) =>
    /^HKLM\\SOFTWARE\\SAMBA\\SMBCONF\\SHARE\d\d\0$/.test(key)
  );
}

test("the dump in the program is the one in test/vectors", () => {
  const dump = readFileSync(new URL("../vectors/samba/registry.dump", import.meta.url), "latin1");
  assert.is(dumpedRecords().map(({ key, value }) => dumpText(key, value)).join(""), dump);
});

test("where there is no `net` the dump is restored, with the reason", () =>
  inFolder(async (folder) => {
    const { path, by, restored } = await makeRegistry({ store }, folder, "/nowhere/net");
    assert.match(by, /^Samba 4\./);
    assert.match(restored ?? "", /^\/nowhere\/net: /);
    const found = await contents(path);
    assert.is(found.size, dumpedRecords().length);
    assert.is(shares(found).length, SHARES);
  }));

test("a program named `net` that is not Samba's is left alone", () =>
  inFolder(async (folder) => {
    const other = join(folder, "net");
    writeFileSync(other, "#!/bin/sh\necho some other program\n");
    chmodSync(other, 0o755);
    const { restored } = await makeRegistry({ store }, folder, other);
    assert.match(restored ?? "", /no program of Samba: "some other program"/);
  }));

test("an import that fails half-way leaves nothing of its file", () =>
  inFolder(async (folder) => {
    const half = join(folder, "net");
    const file = join(folder, "state", "registry.tdb");
    writeFileSync(
      half,
      `#!/bin/sh\n[ "$1" = --version ] && exec echo Version 4.0\necho half > ${file}\n` +
        `echo no space >&2\nexit 255\n`,
    );
    chmodSync(half, 0o755);
    const { path, restored } = await makeRegistry({ store }, folder, half);
    assert.match(restored ?? "", /no space$/);
    assert.is((await contents(path)).size, dumpedRecords().length);
  }));

test("Samba's own `net` makes one, and nothing outside of the folder", () =>
  inFolder(async (folder) => {
    const net = findNet() ?? skip("no net: Debian's samba-common-bin is not installed");
    const { path, by, restored } = await makeRegistry({ store }, folder, net);
    assert.is(restored, undefined);
    assert.match(by, /^Samba \d/);
    const found = await contents(path);
    assert.is(shares(found).length, SHARES);
    const dumped = new Map(
      dumpedRecords().map(({ key, value }) => [TEXT.decode(key), TEXT.decode(value)]),
    );
    // What comes of our shares is the same with each version; Samba's own keys need not be.
    for (const key of [...dumped.keys()].filter((each) => each.includes("SMBCONF\\SHARE"))) {
      assert.is(found.get(key), dumped.get(key), key);
    }
  }));

test.run();
