/**
 * The mixing functions: their values are part of the protocol.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mix, textHash } from "../../../actors/machines/mix.ts";

const test = suite("mix");

test("mix gives the values of the protocol", () => {
  const inputs = [0, 1, 2, 0xffffffff, 0x12345678];
  const outputs = [0, 2261973619, 229111015, 2578835075, 384267965];
  assert.equal(inputs.map(mix), outputs);
});

test("mix takes the low 32 bits of any number", () => {
  assert.is(mix(-1), mix(0xffffffff));
  assert.is(mix(2 ** 32 + 1), mix(1));
});

test("textHash gives the values of the protocol, which differ by seed", () => {
  const texts = ["", "a", "b", "ab", "ba", "ctdbx", "é", "é😀"];
  const first = [340428713, 3165003071, 3348845825, 1284823544, 3440635148, 2349959195];
  const second = [470202861, 1896977862, 3129924718, 2987631921, 73190593, 3354274920];
  assert.equal(texts.map((text) => textHash(text, 0)), [...first, 2919643862, 3742217123]);
  assert.equal(texts.map((text) => textHash(text, 1)), [...second, 457387457, 1753278509]);
});

test("each bit of the input changes about half of the bits of the result", () => {
  for (let bit = 0; bit < 32; bit++) {
    let changed = 0;
    for (let i = 0; i < 1000; i++) {
      const input = mix(i);
      let difference = mix(input) ^ mix(input ^ (1 << bit));
      for (; difference !== 0; difference &= difference - 1) changed++;
    }
    assert.ok(changed > 14_500 && changed < 17_500, `bit ${bit}: ${changed / 1000} of 32`);
  }
});

test.run();
