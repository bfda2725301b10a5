/** Looks at real ports, pages, programs and files, and telling programs and servers: on the runtime at hand. */

import { mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ProbeResult, ProbeWish } from "../../transport/probe.ts";
import { TAIL_MAX } from "../../transport/probe.ts";
import { RealCourier } from "../../transport/real_courier.ts";
import { RealGroups } from "../../transport/real_group.ts";
import { RealProber } from "../../transport/real_probe.ts";
import { memoryIn, unitIn } from "../../transport/real_probe_system.ts";
import { freePorts } from "./nats.ts";

const test = suite("live probes");
const groups = new RealGroups();
const prober = new RealProber(groups);
const courier = new RealCourier(groups);
const folder = mkdtempSync(join(tmpdir(), "ctdbx-probe-"));
const ends: (() => void)[] = [];

test.after.each(() => {
  for (const end of ends.splice(0)) end();
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

function look(wish: ProbeWish, timeoutMs = 5000, name = "c"): Promise<ProbeResult> {
  return prober.start(name, wish, timeoutMs).ended;
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** A server that does this with each connection. */
function tcp(onSocket: (socket: Socket) => void): Promise<number> {
  return listening(createServer(onSocket));
}

/** A server of pages. */
function http(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  return listening(createHttp(answer) as unknown as Server);
}

test("tcp: a port that takes connections, one that does not", async () => {
  const port = await tcp(() => {});
  assert.equal(await look({ kind: "tcp", host: "127.0.0.1", port }), { level: "ok" });
  const [none = 0] = await freePorts(1);
  const { level, why } = await look({ kind: "tcp", host: "127.0.0.1", port: none });
  assert.equal([level, why], ["failed", `127.0.0.1:${none}: nobody listens there`]);
  const nowhere = await look({ kind: "tcp", host: "no.such.name.invalid", port: 1 });
  assert.is(nowhere.level, "failed");
  assert.match(nowhere.why ?? "", /^no\.such\.name\.invalid:1: /);
});

test("tcp: something is said, and what is demanded comes, in pieces, not at all, or too late", async () => {
  const echo = await tcp((socket) => {
    socket.on("data", () => {
      socket.write("220 he");
      setImmediate(() => socket.write("llo\r\n"));
    });
  });
  const wish = { kind: "tcp", host: "127.0.0.1", port: echo, send: "HELO\r\n" } as const;
  assert.equal(await look({ ...wish, expect: "hello" }), { level: "ok" });
  const late = await look({ ...wish, expect: "bye" }, 3000);
  assert.match(late.why ?? "", /has not said "bye" within 3 s/);
  const closes = await tcp((socket) => socket.end("go away\n"));
  const gone = await look({ ...wish, port: closes, expect: "220" });
  assert.equal([gone.level, gone.tail], ["failed", "go away\n"]);
  const floods = await tcp((socket) => {
    const pour = (): void => {
      if (!socket.destroyed) socket.write("x".repeat(65536), (error) => error ?? pour());
    };
    pour();
  });
  const flood = await look({ ...wish, port: floods, expect: "220" });
  assert.is(flood.level, "failed");
  assert.ok((flood.tail?.length ?? 0) <= TAIL_MAX);
});

test("tcp: whose process stood still hears what came meanwhile before it says late", async () => {
  const port = await tcp(() => {});
  const { ended } = prober.start("c", { kind: "tcp", host: "127.0.0.1", port }, 200);
  const untilMs = performance.now() + 400;
  while (performance.now() < untilMs);
  assert.equal(await ended, { level: "ok" });
});

test("http: statuses, what the page holds, headers, HEAD, redirects are answers", async () => {
  const seen: string[] = [];
  const port = await http((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers["x-a"] ?? ""}`);
    const status = Number(request.url?.slice(1, 4));
    response.writeHead(status, status === 302 ? { location: "http://127.0.0.1:1/" } : {});
    response.end(request.url === "/200/long" ? "y".repeat(1e6) + "end" : "all fine\n");
  });
  const at = (path: string) =>
    ({ kind: "http", url: `http://127.0.0.1:${port}/${path}`, method: "GET" }) as const;
  assert.equal(await look(at("200")), { level: "ok" });
  assert.is((await look(at("302"))).level, "ok");
  assert.is((await look({ ...at("204"), status: 204 })).level, "ok");
  assert.equal(await look(at("503")), {
    level: "failed",
    why: `http://127.0.0.1:${port}/503 has status 503`,
    tail: "all fine\n",
  });
  assert.match((await look({ ...at("200"), status: 204 })).why ?? "", /status 200, not 204/);
  assert.is((await look({ ...at("200"), contains: "all fine" })).level, "ok");
  assert.match((await look({ ...at("200"), contains: "better" })).why ?? "", /not hold "better"/);
  assert.is((await look({ ...at("200/long"), contains: "end" })).level, "failed", "too far down");
  await look({ ...at("200/h"), headers: { "x-a": "b" } });
  assert.is((await look({ ...at("200/head"), method: "HEAD" })).level, "ok");
  assert.equal(seen.slice(-2), ["GET /200/h b", "HEAD /200/head "]);
});

test("http: who is silent, cuts, or talks nonsense; a name and password are not shown", async () => {
  const silent = await http(() => {});
  const wish = { kind: "http", method: "GET" } as const;
  const url = `http://user:word@127.0.0.1:${silent}/`;
  const late = await look({ ...wish, url }, 300);
  assert.equal(late, {
    level: "failed",
    why: `http://127.0.0.1:${silent}/ has no answer within 0.3 s`,
  });
  const slow = await http((_, response) => {
    response.writeHead(200);
    response.write("x");
  });
  const never = await look({ ...wish, url: `http://127.0.0.1:${slow}/`, contains: "y" }, 300);
  assert.match(never.why ?? "", /no answer within 0\.3 s/);
  const cuts = await tcp((socket) => socket.destroy());
  assert.is((await look({ ...wish, url: `http://127.0.0.1:${cuts}/` })).level, "failed");
  const odd = await tcp((socket) => socket.end("SSH-2.0-x\r\n\r\n"));
  assert.is((await look({ ...wish, url: `http://127.0.0.1:${odd}/` })).level, "failed");
  assert.is((await look({ ...wish, url: `https://127.0.0.1:${odd}/` })).level, "failed");
});

test("a look that is stopped ends at once", async () => {
  const port = await http(() => {});
  const probe = prober.start(
    "c",
    { kind: "http", method: "GET", url: `http://127.0.0.1:${port}/` },
    60_000,
  );
  probe.stop();
  assert.is((await probe.ended).level, "failed");
  const sleep = prober.start("c", { kind: "exec", command: ["/bin/sleep", "60"] }, 60_000);
  sleep.stop();
  assert.is((await sleep.ended).level, "failed");
});

test("exec: exit codes, its output, its environment, its time; what is not there", async () => {
  const sh = (script: string) => ({ kind: "exec", command: ["/bin/sh", "-c", script] }) as const;
  assert.equal(await look(sh("echo out; echo err >&2")), { level: "ok", tail: "out\nerr\n" });
  assert.equal(await look(sh("echo no; exit 3")), {
    level: "failed",
    why: "exit code 3",
    tail: "no\n",
  });
  assert.is((await look({ ...sh("exit 3"), warnExit: 3 })).level, "warning");
  assert.is((await look({ ...sh("exit 4"), warnExit: 3 })).level, "failed");
  assert.match((await look(sh("kill -9 $$"))).why ?? "", /SIGKILL/);
  const env = await look({ ...sh(`echo "$A $HOME"`), env: { A: "b" } });
  assert.match(env.tail ?? "", /^b \//, "beside what this process has");
  const late = await look(sh("echo begun; sleep 60"), 3000);
  assert.equal([late.level, late.tail], ["failed", "begun\n"]);
  assert.match(late.why ?? "", /no end within 3 s/);
  const flood = await look(sh("seq 1 100000"));
  assert.match(flood.tail ?? "", /^\(\d+ bytes before this are left out\)\n/);
  assert.match(flood.tail ?? "", /\n100000\n$/);
  const none = await look({ kind: "exec", command: ["/no/such/program"] });
  assert.is(none.level, "failed");
  assert.is(none.why, "exit code 127: is there a /no/such/program?");
});

test("file: there, its age, its size", async () => {
  const path = join(folder, "stamp");
  const missing = await look({ kind: "file", path });
  assert.equal(missing, { level: "failed", why: `${path}: there is none` });
  writeFileSync(path, "12345");
  assert.equal(await look({ kind: "file", path, bytesMin: 5, ageMaxMs: 60_000 }), { level: "ok" });
  truncateSync(path, 4);
  assert.match((await look({ kind: "file", path, bytesMin: 5 })).why ?? "", /4 bytes, below 5/);
  const hourAgo = Date.now() / 1000 - 3600;
  utimesSync(path, hourAgo, hourAgo);
  assert.match(
    (await look({ kind: "file", path, ageMaxMs: 60_000 })).why ?? "",
    /360\d s ago, above 60 s/,
  );
});

test("disk and memory against their thresholds", async () => {
  const none = { warn: undefined, error: undefined };
  const disk = (warn: number | undefined, error: number | undefined) =>
    look({ kind: "disk", path: folder, used: { warn, error }, files: none });
  assert.is((await disk(0, undefined)).level, "warning");
  const full = await disk(undefined, 0);
  assert.equal([full.level, /is \d+(\.\d)? % full; the limit is 0 %/.test(full.why ?? "")], [
    "failed",
    true,
  ]);
  assert.is((await look({ kind: "disk", path: folder, used: none, files: none })).level, "ok");
  assert.is(
    (await look({ kind: "disk", path: "/no/such", used: none, files: none })).level,
    "failed",
  );
  const memory = await look({ kind: "memory", used: { warn: 0, error: 101 }, swap: none });
  assert.is(memory.level, "warning");
  assert.match(memory.why ?? "", /memory is \d+(\.\d)? % in use/);
});

test("what the kernel says of memory, and systemd of units", () => {
  const text = "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 100 kB\n" +
    "SwapTotal: 200 kB\nSwapFree: 50 kB\n";
  const none = { warn: undefined, error: undefined };
  assert.equal(memoryIn(text, { warn: 80, error: 95 }, none), {
    level: "warning",
    why: "memory is 90 % in use; the limit is 80 %",
  });
  assert.is(memoryIn(text, { warn: 80, error: 90 }, none).level, "failed");
  assert.equal(memoryIn(text, { warn: 80, error: 95 }, { warn: 10, error: 70 }), {
    level: "failed",
    why: "swap is 75 % in use; the limit is 70 %",
  });
  assert.is(memoryIn("MemTotal: 5 kB\n", none, none).level, "failed");
  const noSwap = text.replace("200 kB", "0 kB").replace("50 kB", "0 kB");
  assert.is(memoryIn(noSwap, none, { warn: 1, error: 2 }).level, "ok");
  const unit = (active: string, sub: string, result: string, load = "loaded") =>
    unitIn(
      "a.service",
      `LoadState=${load}\nActiveState=${active}\nSubState=${sub}\nResult=${result}\n`,
    );
  assert.is(unit("active", "running", "success").level, "ok");
  assert.is(unit("reloading", "reload", "success").level, "ok");
  assert.equal([
    unit("failed", "failed", "exit-code").level,
    unit("failed", "failed", "exit-code").why,
  ], [
    "failed",
    "a.service is failed (failed): exit-code",
  ]);
  assert.is(unit("activating", "auto-restart", "success").level, "failed");
  assert.match(unit("inactive", "dead", "success", "not-found").why ?? "", /no unit that systemd/);
  assert.is(unitIn("a.service", "garbage").level, "failed");
});

test("systemd: its program is asked; one that is not there, fails, or hangs is said", async () => {
  const path = join(folder, "systemctl");
  const asked = async (script: string, timeoutMs = 10_000): Promise<ProbeResult> => {
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return await new RealProber(groups, path).start(
      "c",
      { kind: "systemd", unit: "a.service" },
      timeoutMs,
    )
      .ended;
  };
  const said = await asked(`printf 'LoadState=loaded\\nActiveState=active\\nSubState=%s\\n' "$4"`);
  assert.equal(said, { level: "ok", why: "a.service is active (a.service)" });
  assert.match((await asked("echo no bus >&2; exit 1")).tail ?? "", /no bus/);
  assert.match((await asked("sleep 60", 500)).why ?? "", /no answer within 0\.5 s/);
  const none = new RealProber(groups, "/no/such").start("c", { kind: "systemd", unit: "a" }, 500);
  assert.is((await none.ended).level, "failed");
});

test("a webhook is told; what it answers with decides whether it is told again", async () => {
  const heard: unknown[] = [];
  const port = await http((request, response) => {
    let body = "";
    request.on("data", (bytes) => body += bytes);
    request.on("end", () => {
      heard.push([request.method, request.url, request.headers.authorization, body]);
      response.writeHead(Number(request.url?.slice(1)), { location: "/200" });
      response.end("x".repeat(1e6));
    });
  });
  const post = (path: string, headers = {}) =>
    courier.post(`http://user:word@127.0.0.1:${port}/${path}`, headers, `{"a":1}`, 2000);
  assert.equal(await post("200"), { isFinal: false });
  assert.equal(heard, [["POST", "/200", `Basic ${btoa("user:word")}`, `{"a":1}`]]);
  const place = `http://127.0.0.1:${port}`;
  assert.equal(await post("404"), { why: `${place} answers with status 404`, isFinal: true });
  assert.equal(await post("503"), { why: `${place} answers with status 503`, isFinal: false });
  assert.is((await post("429")).isFinal, false);
  assert.is((await post("302")).isFinal, true, "nobody is sent elsewhere");
  assert.is(heard.length, 5);
  await post("200", { authorization: "Bearer 1" });
  assert.is((heard.at(-1) as unknown[])[2], "Bearer 1");
});

test("a webhook that is not there, or silent", async () => {
  const [none = 0] = await freePorts(1);
  const gone = await courier.post(`http://127.0.0.1:${none}/x`, {}, "{}", 2000);
  assert.is(gone.isFinal, false);
  assert.match(gone.why ?? "", new RegExp(`^http://127\\.0\\.0\\.1:${none}: `));
  const silent = await http(() => {});
  const late = await courier.post(`http://127.0.0.1:${silent}/secret`, {}, "{}", 300);
  assert.equal(late, {
    why: `http://127.0.0.1:${silent} has no answer within 0.3 s`,
    isFinal: false,
  });
});

test("a program is told, with variables; its exit code decides", async () => {
  const sh = (script: string, timeoutMs = 5000) =>
    courier.run(["/bin/sh", "-c", script, "sh", "service"], { WORD: "failed" }, timeoutMs);
  assert.equal(await sh(`test "$1 $WORD" = "service failed" && test -n "$PATH"`), {
    isFinal: false,
  });
  assert.equal(await sh("echo one; echo no mail; exit 2"), {
    why: "exit code 2: no mail",
    isFinal: false,
  });
  assert.match((await sh("sleep 60", 300)).why ?? "", /no end within 0\.3 s/);
  assert.match(
    (await courier.run(["/no/such"], {}, 5000)).why ?? "",
    /^exit code 127: .*not found/,
  );
});

test.run();
