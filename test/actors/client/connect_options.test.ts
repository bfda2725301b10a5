/** The options of connect(): what is misspelt, of another type or of the other way is refused by name. */
import * as assert from "uvu/assert";
import { checkConnectOptions } from "../../../actors/client/connect_options.ts";
import type { ConnectOptions } from "../../../actors/client/types.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { suite } from "../../suite.ts";

const test = suite("options of connect");

/** What is said of options that are wrong; "": nothing. */
function said(options: unknown): string {
  try {
    checkConnectOptions(options as ConnectOptions);
    return "";
  } catch (error) {
    if (error instanceof CtdbxError) return `${error.code} ${error.message}`;
    throw error;
  }
}

test("what is right is taken", () => {
  const servers = ["127.0.0.1:4222"];
  const right: ConnectOptions[] = [
    {},
    { home: "/srv/n0", mapped: false, timeoutMs: 2 ** 31 - 1 },
    { servers, cluster: "shop", keyFile: "/k", tls: { ca: "/ca", serverName: "n" } },
    { servers, cluster: "shop", user: "u", password: "p", timeoutMs: 1 },
  ];
  for (const options of right) assert.is(said(options), "");
});

test("what is not an option is named, with those there are", () => {
  assert.match(
    said({ server: ["a:1"] }),
    /^config .*no option "server"; there are home, .*servers,/,
  );
  assert.match(said({ toString: 1 }), /no option "toString"/);
  const tls = { caFile: "/ca" };
  assert.match(
    said({ servers: ["a:1"], cluster: "c", tls }),
    /no option "tls.caFile"; there are ca,/,
  );
});

test("another type is named", () => {
  assert.match(said({ home: 7 }), /home is a string, not number/);
  assert.match(said({ mapped: null }), /mapped is a boolean, not null/);
  assert.match(said({ servers: ["a:1"], cluster: "c", tls: { ca: 1 } }), /tls.ca .*not number/);
  assert.match(said("127.0.0.1"), /options are an object, not string/);
  assert.match(said(null), /options are an object, not null/);
  for (const timeoutMs of [0, -1, Number.NaN, Infinity]) {
    assert.match(said({ timeoutMs }), /timeoutMs is 1 to 2147483647 ms, not /);
  }
});

test("an option of the other way is refused, not passed over", () => {
  assert.match(
    said({ servers: ["a:1"], cluster: "c", mapped: true }),
    /mapped is for the node of this/,
  );
  assert.match(said({ cluster: "shop" }), /cluster is for a way over NATS; name the servers/);
  assert.match(said({ servers: [], cluster: "c" }), /over NATS: servers is a list/);
  assert.match(said({ servers: ["a:1"] }), /over NATS: name the cluster/);
});

test.run();
