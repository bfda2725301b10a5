/** Public keys of the bus: what is one, and what is made of it. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inboxOfKey, isUserKey, nodeIdOfKey, tagOfKey } from "../../transport/nats_keys.ts";
import { newNkey, publicKeyOf } from "../../transport/real_nkeys.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { throwsCode, throwsRange } from "../contracts/port_fixture.ts";

const test = suite("keys of the bus");
const KEY = "UDRTQQIVTIJDD2RTM5QNJGR573NTXDBG3KF7JMR4OYPRMKLZNIZ7P22K";

test("keys that the library makes are keys, each with its own tag", () => {
  const tags = new Set<string>();
  for (let count = 0; count < 40; count++) {
    const { seed, publicKey } = newNkey();
    assert.ok(isUserKey(publicKey), publicKey);
    assert.is(publicKeyOf(seed), publicKey);
    tags.add(tagOfKey(publicKey));
  }
  assert.is(tags.size, 40);
});

test("a key with one character changed, two exchanged, or another kind is none", () => {
  for (let at = 1; at < KEY.length; at++) {
    for (const digit of "AZ27") {
      const changed = KEY.slice(0, at) + digit + KEY.slice(at + 1);
      assert.is(isUserKey(changed), changed === KEY, changed);
    }
    const [one = "", other = ""] = [KEY[at - 1], KEY[at]];
    const swapped = KEY.slice(0, at - 1) + other + one + KEY.slice(at + 1);
    assert.is(isUserKey(swapped), swapped === KEY, swapped);
  }
  const { seed } = newNkey();
  for (const text of ["", "U", seed, KEY.toLowerCase(), ` ${KEY}`, `${KEY}A`, `A${KEY.slice(1)}`]) {
    assert.not.ok(isUserKey(text), text);
    throwsRange(() => tagOfKey(text));
    throwsRange(() => nodeIdOfKey(text));
  }
});

test("tag, id and inbox of a key are always the same, and belong together", () => {
  assert.is(tagOfKey(KEY), "rtqqivtijd");
  assert.is(inboxOfKey(KEY), "_INBOX_rtqqivtijd");
  assert.is(tagOf(nodeIdOfKey(KEY)), "rtqqivtijd");
  for (let count = 0; count < 20; count++) {
    const { publicKey } = newNkey();
    assert.is(tagOf(nodeIdOfKey(publicKey)), tagOfKey(publicKey));
  }
});

test("what is no seed of a user is refused without being said again", () => {
  for (
    const text of [
      "",
      "SU",
      "SUNOSEED",
      KEY,
      "SAAPN4W3EG6KCJGUQTKTJ5GSB5NHK5CHAJL4DBGFUM3HHROI4XUEP4OBK4",
    ]
  ) {
    throwsCode(() => publicKeyOf(text), "config", /no seed of a user/);
  }
});

test.run();
