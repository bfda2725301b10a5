/** Who is to start a node is told at once what is wrong with its addresses, whatever sets them. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConfigFile } from "../../cli/config.ts";
import { configText } from "../../cli/membership/config_text.ts";
import { refuseUnsettable } from "../../cli/network.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

const test = suite("cli: network");
const folder = mkdtempSync(join(tmpdir(), "ctdbx-network-"));

test.after(() => rmSync(folder, { recursive: true }));

/** Why a node with these lists is not to start; undefined: it is. */
function whyNot(list: string | undefined, homes: string | undefined): string | undefined {
  const [file, homeNodes] = [join(folder, "list"), join(folder, "homes")];
  rmSync(file, { force: true });
  if (list !== undefined) writeFileSync(file, list);
  if (homes !== undefined) writeFileSync(homeNodes, homes);
  const lock = { kind: "jetstream" } as const;
  const base = configText({ cluster: "c", name: "n", servers: ["a:1"], lock }, "test");
  const more = homes === undefined ? "" : `home_nodes = "${homeNodes}"\n`;
  const path = join(folder, "n0.toml");
  writeFileSync(path, `${base}\n[addresses]\nfile = "${file}"\n${more}`);
  try {
    refuseUnsettable(readConfigFile(path));
    return undefined;
  } catch (error) {
    if (error instanceof CtdbxError && error.code === "config") return error.message;
    throw error;
  }
}

test("the dry backend, too: a list that is not there, a line that is wrong, homes that are", () => {
  assert.is(whyNot("10.1.1.1/24 eth0\n", "10.1.1.1 0\n"), undefined);
  assert.match(whyNot(undefined, undefined) ?? "", /list: there is no such file$/);
  assert.match(whyNot("10.1.1.1/24 eth0\nx\n", undefined) ?? "", /list: line 2: "x" has no mask/);
  assert.match(whyNot("10.1.1.1/24 eth0\n", "10.1.1.1 0\nx 1\n") ?? "", /homes: line 2: "x"/);
});

test.run();
