/** `ctdbx ip plan`: lines in, lines out, and nothing but the reason when something is wrong. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../cli/run.ts";
import { capture } from "./capture.ts";
import { closedWorld } from "./tree_rig.ts";

interface Context {
  folder: string;
  file: string;
}

const test = suite<Context>("cli/ip_plan");

test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-plan-"));
  context.file = join(context.folder, "addresses");
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function ran(words: readonly string[], input = "") {
  const terminal = capture({ input });
  const exit = await run(["ip", "plan", ...words], closedWorld(terminal));
  return { exit, out: terminal.outText(), err: terminal.errText() };
}

/** Lines without headers for what is typed. */
async function lines(input: string, ...words: string[]): Promise<string[]> {
  const { exit, out, err } = await ran([...words, "-f", "-", "--no-headers"], input);
  assert.equal([exit, err], [0, ""]);
  return out.split("\n").slice(0, -1);
}

const NINE = [254, 253, 252].map((last) => `192.168.21.${last} 0 *\n`).join("") +
  [254, 253, 252, 251, 250, 249].map((last) => `192.168.20.${last} 0 0,1,2\n`).join("");

test("the sample of stock CTDB, line for line", async ({ file }) => {
  const sample = readFileSync(new URL("../vectors/ipalloc_sample.txt", import.meta.url), "utf8");
  writeFileSync(file, NINE);
  const names = { lcp2: "lcp2", det: "deterministic", nondet: "nondeterministic" };
  for (const [name, algo] of Object.entries(names)) {
    const wanted = sample.split(`== ${name}\n`)[1]?.split("==")[0];
    for (const nodes of [["--nodes", "3"], ["--states", "0,0,0"]]) {
      const { exit, out, err } = await ran(
        [...nodes, "--algo", algo, "-f", file, "--no-headers"],
      );
      assert.equal([exit, out, err], [0, wanted, ""], name);
    }
  }
});

test("states, switches and home nodes are those of the plan", async ({ folder }) => {
  const two = "10.0.0.1 0 *\n10.0.0.2 0 *\n";
  assert.equal(await lines(two, "--states", "0,0"), ["10.0.0.2 1", "10.0.0.1 0"]);
  assert.equal(await lines(two, "--states", "2,0"), ["10.0.0.2 1", "10.0.0.1 1"]);
  assert.equal(await lines(two, "--states", "2,0x20"), ["10.0.0.2 -1", "10.0.0.1 -1"]);
  assert.equal(await lines(two, "--nodes", "2", "--no-failback"), ["10.0.0.2 0", "10.0.0.1 0"]);
  assert.equal(await lines(two, "--states", "2,0", "--no-takeover"), [
    "10.0.0.2 -1",
    "10.0.0.1 -1",
  ]);
  const three = `${two}10.9.0.1 1 *\n`;
  assert.equal(await lines(three, "--nodes", "2"), ["10.9.0.1 1", "10.0.0.2 0", "10.0.0.1 0"]);
  assert.equal(await lines(three, "--nodes", "2", "--force", "0,1"), [
    "10.9.0.1 1",
    "10.0.0.2 1",
    "10.0.0.1 0",
  ]);
  const homes = join(folder, "home_nodes");
  writeFileSync(homes, "10.0.0.1 1\n10.0.0.2 1 # far\n");
  const words = ["--nodes", "2", "--algo", "deterministic"];
  assert.equal(await lines(two, ...words), ["10.0.0.2 0", "10.0.0.1 1"]);
  assert.equal(await lines(two, ...words, "--home-nodes", homes), ["10.0.0.2 1", "10.0.0.1 1"]);
});

test("people get a table, programs JSON; steps on request", async () => {
  const input = "10.0.0.1 0 0\n2001:DB8:0::1 -1 *  # new\n";
  const words = ["--states", "0,2", "-f", "-"];
  const table = await ran(words, input);
  assert.equal(table.out.split("\n").map((line) => line.trimEnd()), [
    "Address      Pnn  Before",
    "2001:db8::1  0    nobody",
    "10.0.0.1     0",
    "",
    "2 addresses: 1 get another node, 0 are hosted by nobody",
    "",
  ]);
  const data = JSON.parse((await ran([...words, "-o", "json", "--no-headers"], input)).out).data;
  assert.equal(data, [
    { address: "2001:db8::1", pnn: 0, current: -1 },
    { address: "10.0.0.1", pnn: 0, current: 0 },
  ]);
  const steps = JSON.parse((await ran([...words, "--trace", "-o", "json"], input)).out).data;
  // Keys that differ at the first bit of the first word in one, and in all four words somewhere.
  assert.equal(steps, [
    {
      step: 1,
      kind: "placed",
      address: "2001:db8::1",
      from: -1,
      to: 0,
      cost: (2 + 32 + 32 + 4) ** 2,
    },
  ]);
  assert.is((await ran(["--nodes", "2", "-f", "-", "--no-headers"], "# none\n")).out, "");
});

test("what is wrong in the file is told with its name and line, and nothing is printed", async ({ file }) => {
  const faults: [string, string][] = [
    [
      "10.0.0.300 0 *",
      '"10.0.0.300" is no IP address: four numbers from 0 to 255, without leading zeros',
    ],
    ["host 0 *", '"host" is no IP address'],
    ["10.0.0.1/24 0 *", '"10.0.0.1/24" is no IP address: a mask cannot stand with it'],
    ["10.0.0.1", "write ADDRESS CURRENT ALLOWED, as 192.168.21.254 -1 0,2"],
    ["10.0.0.1 0", "write ADDRESS CURRENT ALLOWED, as 192.168.21.254 -1 0,2"],
    ["10.0.0.1 3 *", 'the current node must be 0 to 2, or -1 for nobody, is "3"'],
    ["10.0.0.1 -2 *", 'the current node must be 0 to 2, or -1 for nobody, is "-2"'],
    ["10.0.0.1 0 0,3", 'an allowed node must be 0 to 2, or * for all, is "3"'],
    ["10.0.0.1 0 0,", 'an allowed node must be 0 to 2, or * for all, is ""'],
    ["10.0.0.1 0 1,1", "allowed node 1 comes twice"],
    ["10.0.0.1 0 0 1", '"1" stands behind the allowed nodes; commas go between them'],
    ["10.0.0.9 1 *", "10.0.0.9 stands on line 1 already"],
  ];
  for (const [line, what] of faults) {
    writeFileSync(file, `10.0.0.9 0 *\n\n${line}\n10.0.0.8 0 *\n`);
    const { exit, out, err } = await ran(["--nodes", "3", "-f", file, "--no-headers"]);
    assert.equal([exit, out], [2, ""], line);
    assert.is(err.split("\n")[0], `ctdbx: Cannot read ${file}: line 3: ${what}`);
  }
  writeFileSync(file, Uint8Array.of(0x31, 0xff));
  assert.match(
    (await ran(["--nodes", "1", "-f", file])).err,
    `Cannot read ${file}: it is not UTF-8`,
  );
});

test("what is wrong on the command line is told, and nothing is printed", async ({ folder, file }) => {
  writeFileSync(file, "10.0.0.1 0 *\n");
  const from = ["-f", file];
  const faults: [string[], number, RegExp][] = [
    [["--nodes", "2"], 2, /there is no -f FILE/],
    [[...from], 2, /neither --nodes nor --states/],
    [["--nodes", "2", "--states", "0,0,0", ...from], 2, /--nodes is 2, and --states has 3/],
    [["--nodes", "0", ...from], 2, /from 1 to 4096/],
    [["--states", "0,x", ...from], 2, /numbers with commas between/],
    [["--states", "0,4294967296", ...from], 2, /numbers with commas between/],
    [["--states", "0,".repeat(4096) + "0", ...from], 2, /has 4097, the most is 4096/],
    [["--nodes", "2", "--force", "2", ...from], 2, /--force names node 2, the highest is 1/],
    [["--nodes", "2", "--algo", "best", ...from], 2, /deterministic, nondeterministic, lcp2/],
    [
      ["--nodes", "2", "--home-nodes", file, ...from],
      2,
      /--home-nodes is for --algo deterministic/,
    ],
    [["--nodes", "2", "--trace", "--no-headers", ...from], 2, /Cannot show steps without headers/],
    [
      ["--nodes", "2", "--algo", "deterministic", "--home-nodes", "-", "-f", "-"],
      2,
      /cannot be both -f and --home-nodes/,
    ],
    [["--nodes", "2", "-f", folder], 2, /it is a folder/],
    [["--nodes", "2", "-f", join(folder, "none")], 3, /there is no such file/],
    [["--nodes", "2", "-f", ""], 2, /its name is empty/],
  ];
  for (const [words, code, why] of faults) {
    const { exit, out, err } = await ran(words);
    assert.equal([exit, out], [code, ""], words.join(" "));
    assert.match(err, why);
  }
  const many = Array.from({ length: 5000 }, (_, at) => `10.0.${at >> 8}.${at & 255} -1 *\n`);
  const { exit, err } = await ran(["--nodes", "4096", "-f", "-"], many.join(""));
  assert.is(exit, 1);
  assert.match(err, /5000 addresses on 4096 nodes; the most are 16384 addresses, and 16777216/);
});

test.run();
