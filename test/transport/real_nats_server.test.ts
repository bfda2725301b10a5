/** How much of a machine a nats-server beside a node gets. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsEnv } from "../../transport/real_nats_server.ts";

const test = suite("nats-server");

test("It gets half of the cores and one at least, unless somebody has said how many", () => {
  const coresAt = (cores: number) => natsEnv({}, cores)["GOMAXPROCS"];
  assert.equal([1, 2, 3, 4, 64].map(coresAt), ["1", "1", "1", "2", "32"]);
  assert.equal(natsEnv({ HOME: "/root", GOMAXPROCS: "7", NOTHING: undefined }, 2), {
    GOMAXPROCS: "7",
    HOME: "/root",
  });
});

test.run();
