/** The end of a flood, however it is cut into pieces. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TailBuffer } from "../../transport/tail.ts";
import { halved } from "../limit.ts";

const test = suite("tail of an output");

function tailOf(max: number, ...pieces: string[]): { text: string; cut: number } {
  const tail = new TailBuffer(max);
  for (const piece of pieces) tail.add(new TextEncoder().encode(piece));
  return { text: tail.text(), cut: tail.cutBytes };
}

test("The last bytes stay, and the others are counted", () => {
  assert.equal(tailOf(4), { text: "", cut: 0 });
  assert.equal(tailOf(4, "ab"), { text: "ab", cut: 0 });
  assert.equal(tailOf(4, "ab", "cd"), { text: "abcd", cut: 0 });
  assert.equal(tailOf(4, "ab", "cdef", "g"), { text: "defg", cut: 3 });
  assert.equal(tailOf(4, "abcdefghij"), { text: "ghij", cut: 6 });
});

test("However it comes, it is the end of the whole", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.string({ unit: "grapheme-ascii", maxLength: 20 }), { maxLength: 12 }),
      (max, pieces) => {
        const whole = pieces.join("");
        const { text, cut } = tailOf(max, ...pieces);
        assert.is(text, whole.slice(Math.max(0, whole.length - max)));
        assert.is(cut, Math.max(0, whole.length - max));
      },
    ),
    halved({ seed: 7, numRuns: 500 }),
  );
});

test("A character that is cut in two is left out", () => {
  assert.is(tailOf(4, "aé€").text, "€");
  assert.is(tailOf(3, "ab€").text, "€");
  assert.is(tailOf(3, "a€b").text, "b");
});

test.run();
