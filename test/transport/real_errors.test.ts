/** Errors of the system and of the runtime as ours: the codes that programs decide by, and the words for people. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isNotAllowed, nodeError } from "../../transport/real_errors.ts";
import { reasonOf } from "../../transport/real_nats_socket.ts";

const test = suite("transport/real_errors");

test("what Deno does not let a program do is denied, with the words that say what to allow", () => {
  const thrown = new Error('Requires net access to "unix:/x", run again with --allow-net');
  thrown.name = "NotCapable";
  const error = nodeError("Cannot connect to /x", thrown);
  assert.is(error.code, "denied");
  assert.is(error.message, `Cannot connect to /x: ${thrown.message}`);
  assert.is(error.cause, thrown);
  assert.equal([isNotAllowed(thrown), isNotAllowed(new Error("x")), isNotAllowed("NotCapable")], [
    true,
    false,
    false,
  ]);
});

test("an error of the system has the code of its name, and any other is io", () => {
  const named = (code: string) => Object.assign(new Error("words"), { code });
  assert.is(nodeError("Cannot read x", named("ENOENT")).code, "not_found");
  assert.is(nodeError("Cannot read x", named("ENOENT")).message, "Cannot read x: ENOENT");
  assert.is(nodeError("Cannot read x", named("EACCES")).code, "denied");
  assert.is(nodeError("Cannot read x", named("EXDEV")).code, "io");
});

test("why a server could not be used names the port that was tried", () => {
  const refused = Object.assign(new Error("x"), { code: "ECONNREFUSED" });
  assert.is(reasonOf("a", refused), "a:4222: nothing listens there");
  assert.is(reasonOf("nats://a", refused), "nats://a:4222: nothing listens there");
  assert.is(reasonOf("[::1]", refused), "[::1]:4222: nothing listens there");
  assert.is(reasonOf("a:99", refused), "a:99: nothing listens there");
  assert.is(reasonOf("[::1]:99", new Error("it hangs up")), "[::1]:99: it hangs up");
});

test.run();
