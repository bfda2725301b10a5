/** The story of an election, told from what nodes remember. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type HistoryAnswer, spanText, versionText } from "../../cli/answers.ts";
import { reasonLines, storyOf } from "../../cli/leader_reason.ts";

const test = suite("cli/leader_reason");

function entry(msAgo: number, what: string, more = ""): HistoryAnswer {
  return { msAgo, what, text: `${what}${more}` };
}

const OWN = [
  entry(90_000, "chosen", " 1.1: long ago"),
  entry(60_000, "stepped down", " 1.1: promised 2.2"),
  entry(2100, "suspect", ": no sign of a leader"),
  entry(2000, "chosen", " 3.1: no sign of a leader"),
  entry(1900, "effective", " 3.1.1"),
  entry(1800, "adopted", " 3.1.1"),
  entry(900, "effective", " 3.1.2"),
];

test("it begins with the suspicion, ends with the first document, and has what others did before", () => {
  const others = [
    entry(30_000, "chosen", " 2.2: of another story"),
    entry(2060, "stepped down", " 2.2: yields"),
    entry(1000, "stepped down", " 2.9: after it"),
  ];
  const story = storyOf("n0", [
    { pnn: 0, name: "n0", ok: OWN },
    { pnn: 1, name: "n1", ok: others },
    { pnn: 2, name: "n2", error: "no answer" },
  ]);
  assert.is(
    story,
    [
      "2.1 s ago n0 suspect: no sign of a leader",
      "2.1 s ago n1 stepped down 2.2: yields",
      "2.0 s ago n0 chosen 3.1: no sign of a leader",
      "1.9 s ago n0 effective 3.1.1",
    ].join("; "),
  );
});

test("a history that does not reach back, or that did not come, has no story", () => {
  assert.is(storyOf("n0", [{ pnn: 0, name: "n0", ok: OWN.slice(4) }]), undefined);
  assert.is(storyOf("n0", [{ pnn: 0, name: "n0", error: "no answer" }]), undefined);
  assert.is(storyOf("n0", []), undefined);
});

test("a long search tells its last steps only", () => {
  const search = Array.from({ length: 50 }, (_, at) => entry(3000 - at, "suspect", ` ${at}`));
  const story = storyOf("n0", [{ pnn: 0, name: "n0", ok: [...search, entry(2000, "chosen")] }]);
  assert.is(story?.split("; ").length, 5);
  assert.match(story ?? "", "suspect 49");
});

test("lines say who does not agree, and that no leases are granted", () => {
  const lines = reasonLines({
    leader: "n0",
    pnn: 0,
    token: "3.1",
    election: "3",
    sinceMs: undefined,
    chosenBecause: undefined,
    story: undefined,
    isGranting: false,
    agree: [],
    disagree: ["n1 takes nobody for the leader"],
    next: [],
    changes: ["nothing"],
  });
  assert.is(lines[0], "n0 leads (election 3, token 3.1)");
  for (
    const text of [/^Does not +n1 takes nobody/, /^Leases +it grants none/, /^Next .* nobody$/]
  ) {
    assert.ok(lines.some((line) => text.test(line)), String(text));
  }
});

test("times and versions as people read them", () => {
  const spans = [-5, 0, 9949, 9950, 119_499, 119_500, 7_169_999, 7_170_000, 172_800_000]
    .map(spanText);
  assert.equal(
    spans,
    ["0.0 s", "0.0 s", "9.9 s", "10 s", "119 s", "2 min", "119 min", "2 h", "2 d"],
  );
  assert.is(versionText("3145730"), "0.3.2");
  assert.is(versionText(String((7n << 32n) | (2n << 20n))), "7.2");
  assert.is(versionText(undefined), undefined);
});

test.run();
