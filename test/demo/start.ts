/**
 * What `npm run demo:tdb` shows: one TDB file in the hands of two programs at the same moment.
 *
 *   tdbtool (Debian, libtdb) <-- one file, its locks --> ctdbx (this process)
 *   each changes it, both look; a transaction is seen only when it is committed; both check it; a race
 *
 * Lies in test/, because it works with Debian's tools and with the benchmark, which nothing below may import.
 *
 * Does NOT promise: figures to quote; `npm run bench -- tdb` is for that.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { findTool, TOOLS } from "../../build/tools.ts";
import { RowWriter } from "../../cli/output.ts";
import { realTerminal } from "../../cli/terminal.ts";
import type { Terminal } from "../../cli/terminal.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { table } from "../bench/tdb/table.ts";
import { shortComparison } from "../bench/tdb_short.ts";
import { TdbTool } from "./tdbtool.ts";

const UTF8 = new TextEncoder();
const NAME = "fruit.tdb";

/** Someone who can be asked what is in the file. */
interface Partner {
  do(command: string): Promise<string>;
  show(key: string): Promise<string | undefined>;
}

/** Runs the demonstration; resolves to the exit code. `withBench` false leaves the race out. */
export async function demonstrate(terminal: Terminal, withBench: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-start-"));
  const file = join(folder, NAME);
  const say = (text: string): void => {
    terminal.out.write(`${text}\n`);
    terminal.out.flush();
  };
  const toolPath = findTool(TOOLS.find(({ name }) => name === "tdbtool") ?? fail("tdbtool"));
  try {
    say("\nctdbx: TDB files, shared live with Samba's own library\n");
    if (toolPath === undefined) {
      say("Debian's tdbtool is not here (apt-get install tdb-tools): ctdbx goes on alone.\n");
      await alone(file, say);
    } else {
      await together(terminal, toolPath, folder, say);
    }
    if (withBench) {
      say("The same work by libtdb and by ctdbx, each in its own process (some seconds) ...\n");
      const { rows, reason } = shortComparison();
      say(table(rows));
      say(reason ?? "ratio: ctdbx's time divided by libtdb's; below 1, ctdbx is faster");
      say("The full comparison, with 1 M records and all kinds of locks: npm run bench -- tdb\n");
    }
    say(NEXT);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const NEXT = `What to try next:
  npm run -s ctdbx -- tdb create /tmp/my.tdb          make a database
  npm run -s ctdbx -- tdb put /tmp/my.tdb key value   ... and put something in
  npm run -s ctdbx -- tdb info /tmp/my.tdb            sizes, counts, advice
  npm run -s ctdbx -- tdb check FILE                  look for damage, also while Samba uses the file
  npm run -s ctdbx -- tdb --help                      all the rest`;

async function together(
  terminal: Terminal,
  toolPath: string,
  folder: string,
  say: (text: string) => void,
): Promise<void> {
  const tool = new TdbTool(toolPath, folder);
  await tool.ready();
  try {
    await tool.do(`create ${NAME}`);
    await tool.do("insert apples 12");
    say(`tdbtool has made ${NAME}, and keeps it open. ctdbx opens it, too.\n`);
    const tdb = await openTdb(new RealImageStore(), join(folder, NAME));
    try {
      await steps(terminal, tool, tdb);
      const found = await tool.do("check");
      const report = await check(tdb);
      say(`\ntdbtool check: ${found}`);
      say(`ctdbx check:   ${report.ok ? "good" : "DAMAGED"}, ${report.live} records\n`);
      if (!report.ok) throw new Error(report.problems[0]?.text);
    } finally {
      tdb.close();
    }
  } finally {
    await tool.quit();
  }
}

/** The table: after each step, what both see. Throws when they do not see what they must. */
async function steps(terminal: Terminal, tool: Partner, tdb: Tdb): Promise<void> {
  const writer = new RowWriter(terminal.out, { format: "table", color: terminal.colorAllowed }, [
    { name: "step", title: "STEP" },
    { name: "tool", title: "TDBTOOL SEES" },
    { name: "ctdbx", title: "CTDBX SEES" },
  ]);
  const look = async (step: string, key: string, toolSees: string, ctdbxSees: string) => {
    const tool_ = await tool.show(key) ?? "nothing";
    const bytes = tdb.fetch(UTF8.encode(key));
    const ctdbx = bytes === undefined ? "nothing" : new TextDecoder().decode(bytes);
    writer.row({ step, tool: `${key}: ${tool_}`, ctdbx: `${key}: ${ctdbx}` });
    if (tool_ !== toolSees || ctdbx !== ctdbxSees) {
      writer.end();
      throw new Error(`expected ${toolSees} and ${ctdbxSees}`);
    }
  };
  const put = (key: string, value: string): Promise<void> =>
    tdb.withChain(UTF8.encode(key), () => tdb.store(UTF8.encode(key), UTF8.encode(value)));

  await look("tdbtool has inserted apples", "apples", "12", "12");
  await put("pears", "7");
  await look("ctdbx stores pears", "pears", "7", "7");
  await tool.do("store apples 13");
  await look("tdbtool changes apples", "apples", "13", "13");
  await tool.do("transaction_start");
  await tool.do("store apples 100");
  await look("tdbtool begins a transaction", "apples", "100", "13");
  await tool.do("transaction_commit");
  await look("tdbtool commits it", "apples", "100", "100");
  await tdb.transaction(() => {
    tdb.store(UTF8.encode("apples"), UTF8.encode("90"));
    tdb.store(UTF8.encode("pears"), UTF8.encode("17"));
  });
  await look("ctdbx moves 10, one transaction", "apples", "90", "90");
  await look("", "pears", "17", "17");
  await tool.do("delete pears");
  await look("tdbtool deletes pears", "pears", "nothing", "nothing");
  writer.end();
}

async function alone(file: string, say: (text: string) => void): Promise<void> {
  const tdb = await openTdb(new RealImageStore(), file, { create: true });
  try {
    await tdb.transaction(() => tdb.store(UTF8.encode("apples"), UTF8.encode("12")));
    const value = new TextDecoder().decode(tdb.fetch(UTF8.encode("apples")));
    const report = await check(tdb);
    say(`ctdbx has made ${NAME}; apples: ${value}; check: ${report.ok ? "good" : "DAMAGED"}\n`);
  } finally {
    tdb.close();
  }
}

function fail(name: string): never {
  throw new RangeError(`Cannot find ${name} in build/tools.ts`);
}

if (import.meta.main) {
  process.exit(await demonstrate(realTerminal(), true));
}
