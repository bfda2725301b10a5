/** Pages over HTTP: what is answered, a port that is taken, an end that leaves nothing behind. */

import { createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RealClock } from "../../transport/real_clock.ts";
import { HttpPages, type Page } from "../../transport/real_http.ts";
import { KeptLog } from "./nats.ts";

const test = suite("pages over HTTP");
const TEXT = "text/plain; charset=utf-8";

function pagesAt(listen: string, log = new KeptLog()): HttpPages {
  const pages = new Map<string, () => Page | Promise<Page>>([
    ["/one", () => ({ status: 200, type: TEXT, text: "one ünï\n" })],
    ["/ill", () => Promise.resolve({ status: 503, type: TEXT, text: "ill\n" })],
    ["/broken", () => {
      throw new Error("it broke");
    }],
  ]);
  return new HttpPages({ listen, pages, clock: new RealClock(), log });
}

test("known paths, and nothing else", async () => {
  const log = new KeptLog();
  const pages = pagesAt("127.0.0.1:0", log);
  const port = await pages.listening;
  const get = async (path: string, method = "GET"): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return [answer.status, await answer.text()];
  };
  try {
    assert.equal(await get("/one"), [200, "one ünï\n"]);
    assert.equal(await get("/one?a=b"), [200, "one ünï\n"]);
    assert.equal(await get("/one", "HEAD"), [200, ""]);
    assert.equal(await get("/ill"), [503, "ill\n"]);
    assert.equal(await get("/two"), [404, "there are /one, /ill, /broken\n"]);
    assert.equal((await get("/../etc/passwd"))[0], 404);
    for (const method of ["POST", "PUT", "DELETE"]) assert.is((await get("/one", method))[0], 405);
    assert.equal(await get("/broken"), [500, "it has failed; the log says why\n"]);
    assert.ok(log.lines.some((line) => /A page has failed .*it broke/.test(line)), `${log.lines}`);
  } finally {
    await pages.close();
  }
  let isClosed = false;
  await fetch(`http://127.0.0.1:${port}/one`).catch(() => isClosed = true);
  assert.ok(isClosed, "nobody listens any more");
});

test("a port that is taken is tried again, and said once", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  const log = new KeptLog();
  const pages = pagesAt(`127.0.0.1:${port}`, log);
  try {
    while (
      !log.lines.some((line) => /No metrics at 127.0.0.1:\d+: .*; it is tried again/.test(line))
    ) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await new Promise<void>((resolve) => taken.close(() => resolve()));
    assert.is(await pages.listening, port);
    assert.is((await fetch(`http://127.0.0.1:${port}/one`)).status, 200);
    assert.is(log.lines.filter((line) => line.includes("tried again")).length, 1);
  } finally {
    await pages.close();
  }
});

test("an end while the port is taken is an end", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  const pages = pagesAt(`127.0.0.1:${port}`);
  await pages.close();
  await new Promise<void>((resolve) => taken.close(() => resolve()));
  const again = createServer();
  await new Promise<void>((resolve) => again.listen(port, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => again.close(() => resolve()));
});

for (const listen of ["", "9413", "host:", "host:99999", "ho st:1", "[::1:1", "http://host:1"]) {
  test(`no address: "${listen}"`, () => {
    assert.throws(() => pagesAt(listen), /Cannot listen: .* is no host:port/);
  });
}

test.run();
