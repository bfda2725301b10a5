/** Lists of connections for `ctdbx ip tickle add -`. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connectionLines } from "../../cli/commands/ip_clients.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { Failure } from "../../cli/failure.ts";

const test = suite("cli/ip_clients");

test("a connection on each line, with any blanks, the client first; empty lines say nothing", () => {
  assert.equal(connectionLines(""), []);
  assert.equal(connectionLines("\n 10.0.0.9:1\t10.0.0.1:445 \r\n\n[fd00::9]:1 [fd00::1]:2"), [
    ["10.0.0.9:1", "10.0.0.1:445"],
    ["[fd00::9]:1", "[fd00::1]:2"],
  ]);
});

test("a line that is none is refused with its number", () => {
  for (const line of ["10.0.0.9:1", "10.0.0.9:1 10.0.0.1:445 more"]) {
    try {
      connectionLines(`10.0.0.9:1 10.0.0.1:445\n${line}\n`);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, Failure);
      assert.is((error as Failure).exit, EXIT.usage);
      assert.match((error as Failure).message, /line 2 /);
    }
  }
});

test.run();
