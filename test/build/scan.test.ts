/**
 * The scanner keeps code and blanks the rest, whatever stands inside of what.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { blank, bodiesOf, importsOf } from "../../build/scan.ts";

const scan = suite("scan");

scan("comments, texts and regular expressions are blank, and everything keeps its place", () => {
  const cases: [source: string, code: string][] = [
    ["a; // Date\nb;", "a;        \nb;"],
    ["a /* Date\nDate */ b", "a        \n        b"],
    ['f("Da\\"te") + 1', 'f("      ") + 1'],
    ["`a ${b} c`", "`  ${b}  `"],
    ["`${`${a} x`} y` + z", "`${`${a}  `}  ` + z"],
    ["`${ {a: {b: 1}} } x`;", "`${ {a: {b: 1}} }  `;"],
    ["x = a / b / c;", "x = a / b / c;"],
    ["x = /a[/]b/.test(c);", "x = /     /.test(c);"],
    ["return /'/;", "return / /;"],
    ["f(a) / 2; // '", "f(a) / 2;     "],
  ];
  for (const [source, code] of cases) {
    assert.is(blank(source), code, source);
    assert.is(blank(source).length, source.length);
  }
});

scan("every form of import is found, with its line and whether it is a type's", () => {
  const source = `import { a,
  b } from "./one.ts";
import type { c } from './two.ts';
import "./three.ts";
export { d } from "./four.ts";
export * from "./five.ts";
const e = await import("./six.ts");
new Worker(new URL("./seven.ts", import.meta.url));
// import { f } from "./no.ts";
const g = "import { g } from './no.ts'";
`;
  const found = importsOf(source, blank(source));
  assert.equal(found.map(({ specifier }) => specifier).sort(), [
    "./five.ts",
    "./four.ts",
    "./one.ts",
    "./seven.ts",
    "./six.ts",
    "./three.ts",
    "./two.ts",
  ]);
  const two = found.find(({ specifier }) => specifier === "./two.ts");
  assert.equal(two, { specifier: "./two.ts", line: 3, isTypeOnly: true });
});

scan("bodies of functions are told from other braces", () => {
  const source = `function a(b = {}): void {
  if (c) {
  }
  for await (const d of e) {
  }
}
class F {
  g() {
  }
}
const h = () => {
};
const i = { j: 1 };
`;
  const bodies = bodiesOf(blank(source));
  assert.equal(bodies.map(({ line, lineCount }) => [line, lineCount]), [[1, 6], [8, 2], [11, 2]]);
});

scan.run();
