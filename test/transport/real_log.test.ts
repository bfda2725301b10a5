/** Where the real log writes, what it leaves out, and what becomes of lines that cannot be written. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RealLog } from "../../transport/real_log.ts";
import { throwsCode } from "../contracts/port_fixture.ts";
import { skip } from "../limit.ts";

const test = suite<{ folder: string }>("real log");
const clock = { wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) };

test.before((context) => void (context.folder = mkdtempSync(join(tmpdir(), "ctdbx-log-"))));
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test("A line is JSON with time, level, speaker, text and fields, and the file is private", ({ folder }) => {
  const path = join(folder, "line");
  const log = new RealLog({ path, speaker: ["ctdbx", "n1"], clock });
  log.write("debug", "too fine");
  log.write("warning", "NATS is gone", { tries: 3 });
  log.close();
  log.write("error", "after the end");
  assert.equal(JSON.parse(readFileSync(path, "utf8")), {
    "@timestamp": "2026-01-02T03:04:05.678Z",
    level: "WARN",
    message: "NATS is gone",
    logger: "ctdbx.n1",
    properties: { tries: 3 },
  });
  assert.is(statSync(path).mode & 0o777, 0o600);
  log.close();
});

test("For people a line is time, level, text and fields", ({ folder }) => {
  const path = join(folder, "plain");
  const log = new RealLog({ path, plain: true, clock });
  log.write("info", "Connected\nto NATS", { server: "127.0.0.1:4222" });
  log.write("error", "alone");
  const [first, second, rest] = readFileSync(path, "utf8").split("\n");
  assert.match(
    first ?? "",
    /^2026-01-02T03:04:05\.678Z .*Connected\\nto NATS \{"server":"127\.0\.0\.1:4222"\}$/,
  );
  assert.match(second ?? "", /alone$/);
  assert.is(rest, "");
  log.close();
});

test("A file that was moved away is opened anew", ({ folder }) => {
  const path = join(folder, "moved");
  const log = new RealLog({ path, clock });
  log.write("info", "before");
  renameSync(path, `${path}.1`);
  log.write("info", "still the old one");
  log.reopen();
  log.write("info", "the new one");
  assert.is(readFileSync(`${path}.1`, "utf8").split("\n").length, 3);
  assert.match(readFileSync(path, "utf8"), /the new one/);
  log.close();
});

test("Without space lines are lost, counted, and that is told when there is space again", ({ folder }) => {
  const mount = join(folder, "small");
  mkdirSync(mount);
  const options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mount];
  if (spawnSync("mount", options).status !== 0) skip("cannot mount a small file system");
  try {
    const path = join(mount, "log");
    const log = new RealLog({ path, clock });
    log.write("info", "first");
    const ballast = join(mount, "ballast");
    // As much as fits: the first page of the log stays with it.
    assert.throws(() => writeFileSync(ballast, new Uint8Array(128 * 1024)));
    for (let n = 0; n < 100; n++) log.write("info", `line ${n}`, { text: "x".repeat(1000) });
    rmSync(ballast);
    log.write("info", "last");
    const lines = readFileSync(path, "utf8").split("\n");
    const told = lines.find((line) => /lines of this log were lost/.test(line)) ?? "";
    const lost = Number(/"(\d+) lines/.exec(told)?.[1]);
    const kept = lines.filter((line) => /"line \d+"/.test(line) && line.endsWith("}")).length;
    assert.is(lost + kept, 100, `${lost} lost, ${kept} kept`);
    assert.ok(lost > 0);
    assert.match(lines.at(-2) ?? "", /"last"/);
    log.close();
  } finally {
    spawnSync("umount", [mount]);
  }
});

test("A file that cannot be opened says so", ({ folder }) => {
  throwsCode(() => new RealLog({ path: join(folder, "none", "log"), clock }), "not_found");
});

test.run();
