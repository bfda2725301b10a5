/** Which subjects a pattern takes. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkPattern, checkSubject, takes } from "../../transport/bus_checks.ts";
import { throwsRange } from "../contracts/port_fixture.ts";

const test = suite("subjects");

test("Wildcards stand for one token, or for one and more at the end", () => {
  const cases: [string, string[], string[]][] = [
    ["a.b", ["a.b"], ["a", "a.b.c", "a.B", "b.a"]],
    ["a.*", ["a.b", "a.c"], ["a", "a.b.c", "b.b"]],
    ["*.b", ["a.b", "x.b"], ["b", "a.b.c", "a.c"]],
    ["*.*", ["a.b"], ["a", "a.b.c"]],
    ["a.>", ["a.b", "a.b.c"], ["a", "b.a"]],
    [">", ["a", "a.b"], []],
    ["a.*.c.>", ["a.b.c.d", "a.x.c.d.e"], ["a.b.c", "a.b.d.e"]],
  ];
  for (const [pattern, taken, left] of cases) {
    checkPattern(pattern);
    for (const subject of taken) assert.is(takes(pattern, subject), true, `${pattern} ${subject}`);
    for (const subject of left) assert.is(takes(pattern, subject), false, `${pattern} ${subject}`);
  }
});

test("Every character but space, dot and the wildcards may be in a token; controls may not", () => {
  for (let code = 0; code < 256; code++) {
    const character = String.fromCharCode(code);
    const isSound = code > 32 && code < 127 && !".*>".includes(character);
    const subject = `a${character}b`;
    if (isSound || character === ".") checkSubject(subject);
    else throwsRange(() => checkSubject(subject));
  }
});

test.run();
