/** Where a new nats-server can listen, and what is said when it cannot. */

import { createServer, type Server } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EXIT } from "../../../cli/exit_codes.ts";
import { listenCheck } from "../../../cli/membership/listening.ts";

interface Context {
  server: Server;
  address: string;
}

const test = suite<Context>("cli/membership/listening");

test.before.each(async (context) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.server = server;
  context.address = `127.0.0.1:${(server.address() as { port: number }).port}`;
});
test.after.each(({ server }) => void server.close());

test("somebody listens there: it is told, with what to do; after its end it is free", async ({ server, address }) => {
  const taken = await listenCheck(address);
  assert.equal([taken.ok, taken.exit], [false, EXIT.conflict]);
  assert.match(taken.text, `its nats-server cannot listen at ${address}: somebody else does`);
  assert.match(taken.hint ?? "", "--servers");
  const everywhere = await listenCheck(address.replace("127.0.0.1", "0.0.0.0"));
  assert.is(everywhere.ok, false);
  await new Promise((resolve) => server.close(resolve));
  for (let times = 0; times < 2; times++) assert.is((await listenCheck(address)).ok, true);
});

test("an address of another machine is none of this one", async () => {
  const { ok, exit, text } = await listenCheck("192.0.2.1:4222");
  assert.equal([ok, exit], [false, EXIT.usage]);
  assert.match(text, "no address of this machine");
});

test.run();
