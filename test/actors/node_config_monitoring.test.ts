/** What a node's configuration says of monitoring. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readNodeConfig } from "../../actors/node_config.ts";

const test = suite("node configuration: monitoring");
const PLAIN = { cluster: "edge", name: "n0" };

test("events and metrics, as they may stand there", () => {
  const read = (more: object) => {
    const { events, metrics } = readNodeConfig({ ...PLAIN, ...more }, "edge.toml");
    return { events, metrics };
  };
  assert.equal(read({}), { events: undefined, metrics: undefined });
  assert.equal(read({ events: {} }).events, { cbor: true });
  assert.equal(read({ events: { cbor: false } }).events, { cbor: false });
  for (const listen of ["127.0.0.1:9413", "[::1]:9413", "n0.example:1"]) {
    assert.equal(read({ metrics: { listen } }).metrics, { listen });
  }
});

const REFUSED: readonly [object, RegExp][] = [
  [{ events: { cbr: true } }, /events.cbr is not known here; known are cbor/],
  [{ events: { cbor: "yes" } }, /events.cbor must be true or false/],
  [{ events: 1 }, /events must be a table/],
  [{ metrics: {} }, /metrics.listen is missing/],
  [{ metrics: { listen: 9413 } }, /metrics.listen must be host:port/],
  [{ metrics: { listen: "9413" } }, /metrics.listen must be host:port/],
  [{ metrics: { listen: "127.0.0.1:0" } }, /metrics.listen must be host:port/],
  [{ metrics: { listen: "127.0.0.1:1", port: 1 } }, /metrics.port is not known here/],
];
for (const [more, why] of REFUSED) {
  test(`refused: ${JSON.stringify(more)}`, () => {
    assert.throws(() => readNodeConfig({ ...PLAIN, ...more }, "edge.toml"), why);
  });
}

test.run();
