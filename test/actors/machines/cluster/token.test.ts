/** Tokens and versions. */

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  countOf,
  nextToken,
  tokenOf,
  tokenOfVersion,
  tokenText,
  versionOf,
  voterIdOf,
} from "../../../../actors/machines/cluster/token.ts";
import type { Token, VoterId } from "../../../../transport/wire/terms.ts";

const test = suite("tokens");

const voter = fc.integer({ min: 1, max: 4095 }).map((id) => id as VoterId);
const counter = fc.bigInt({ min: 0n, max: 2n ** 32n - 2n });

test("The next token is the smallest of its voter above what is known, and no other voter's", () => {
  fc.assert(fc.property(counter, voter, voter, (count, high, own) => {
    const known = tokenOf(count, high);
    const next = nextToken(known, own);
    assert.ok(next > known);
    assert.is(voterIdOf(next), own);
    assert.ok(next - known <= 1n << 32n);
    if (high !== own) assert.is.not(nextToken(known, own), nextToken(known, high));
  }));
});

test("A version names its token and its number, and rises with both", () => {
  fc.assert(
    fc.property(counter, voter, fc.bigInt({ min: 1n, max: 2n ** 20n - 1n }), (count, id, n) => {
      const token = tokenOf(count, id);
      const version = versionOf(token, n);
      assert.is(tokenOfVersion(version), token);
      assert.is(countOf(version), n);
      assert.ok(version < nextToken(token, 4095 as VoterId));
    }),
  );
});

test("People read counter, voter and number", () => {
  assert.is(tokenText(0n as Token), "0.0");
  assert.is(tokenText(tokenOf(7n, 3 as VoterId)), "7.3");
  assert.is(tokenText(versionOf(tokenOf(7n, 3 as VoterId), 12n)), "7.3.12");
});

test.run();
