/** The progress line: what it says, and when it is not there. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { progress, progressLine } from "../../cli/progress.ts";
import { capture } from "./capture.ts";

const test = suite("cli/progress");

test("says how much, how fast and how long", () => {
  const line = progressLine("checking", 250, 1000, 2000, 79);
  assert.is(line, `checking  [${"=======>".padEnd(30)}]  25 %  125/s  6 s left`);
});

test("says the count where the total is unknown", () => {
  assert.is(progressLine("copying", 30, 0, 1000, 79), "copying  30  30/s");
});

test("never exceeds the width", () => {
  for (let width = 1; width < 100; width += 1) {
    for (const total of [0, 5e9]) {
      assert.ok(progressLine("restoring", 4e9, total, 1e7, width).length <= width);
    }
  }
});

test("is drawn and taken away on a terminal", () => {
  const terminal = capture({ errIsTerminal: true });
  const bar = progress(terminal, "copying");
  // The clock of the capture moves 1 ms a look.
  for (let done = 0; done < 3000; done += 1) bar.at(done, 3000);
  bar.end();
  const text = terminal.errText();
  assert.match(text, /\rcopying {2}\[/);
  assert.ok(text.endsWith("\r\x1b[K"));
  assert.is(terminal.outText(), "");
});

test("is not there when nobody watches, and not for short work", () => {
  const piped = capture();
  const bar = progress(piped, "copying");
  for (let done = 0; done < 3000; done += 1) bar.at(done, 3000);
  bar.end();
  assert.is(piped.errText(), "");
  const watched = capture({ errIsTerminal: true });
  const short = progress(watched, "copying");
  short.at(1, 2);
  short.end();
  assert.is(watched.errText(), "");
});

test.run();
