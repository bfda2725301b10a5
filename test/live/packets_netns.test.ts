/**
 * Raw packets and the kernel's connections, for real: two network namespaces with a pair of interfaces between them.
 *
 *   a client's connection is listed ─▶ reset: both ends hear of it
 *   it is gone here, and the client does not know ─▶ a tickle ─▶ the client's end is reset
 *   ARP and neighbour advertisement with another MAC ─▶ the client's neighbour table has that
 *
 * Does NOT promise: to run where no namespaces may be made; it is skipped, and says why.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit, skip } from "../limit.ts";

const test = suite("packets in network namespaces");

const CHILD = fileURLToPath(new URL("./packets_child.ts", import.meta.url));
/** Namespaces of users, network and processes: with the first process in them all others end. */
const UNSHARE = ["-rnpf", "--kill-child"];

/** Why namespaces cannot be made here; undefined: they can. */
function whyNot(): string | undefined {
  const probe = "ip link add a0 type veth peer name b0 && unshare -n ip link";
  const { status, stderr, error } = spawnSync("unshare", [...UNSHARE, "sh", "-c", probe], {
    encoding: "utf8",
  });
  return status === 0 ? undefined : (error?.message ?? stderr.trim()) || `exit code ${status}`;
}

test(
  "connections are listed and reset, clients tickled, neighbours told",
  limit(120_000, async () => {
    const why = whyNot();
    if (why !== undefined) skip(`no network namespaces here: ${why}`);
    const isDeno = process.execPath.includes("deno");
    const words = [process.execPath, ...isDeno ? ["run", "-A"] : [], CHILD];
    const child = spawn("unshare", [...UNSHARE, ...words], { stdio: ["pipe", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => out += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => err += text);
    const [code] = await once(child, "close");
    assert.is(code, 0, err);
    const seen = JSON.parse(out);
    assert.equal(seen.before, seen.made);
    assert.is(seen.most, 1);
    assert.equal(seen.reset, { ended: 1, isAll: true });
    assert.is(seen.closed, "ECONNRESET");
    assert.equal(seen.after, seen.made.filter((key: string) => key.includes(":")));
    // Of IPv6 the first one was still there.
    assert.equal(seen.tickled, { ended: [1, 2], closed: ["ECONNRESET", "ECONNRESET"] });
    assert.equal([seen.lo, seen.none, seen.noLink, seen.noWay, seen.announced], [
      true,
      true,
      "not_found",
      "not_found",
      2,
    ]);
  }),
);

test.run();
