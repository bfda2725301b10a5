/**
 * Subjects: parse takes exactly what build makes, and nothing that a wildcard or a line break could be hidden in.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as subjects from "../../../transport/wire/subjects.ts";
import type { Subject } from "../../../transport/wire/subjects.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import type { DbId, NodeId, Tag } from "../../../transport/wire/terms.ts";
import { halved } from "../../limit.ts";

const { buildSubject, parseSubject, SUBJECT_MAX } = subjects;
const test = suite("subjects");

const cluster = fc.stringMatching(/^[A-Za-z0-9_-]{1,63}$/);
const tag = fc.stringMatching(/^[a-z2-7]{10}$/).map((text) => text as Tag);
const topic = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/).filter((text) => text !== "cbor");
const db = fc.integer({ min: 0, max: 0xffffffff }).map((id) => id as DbId);
const anySubject: fc.Arbitrary<Subject> = fc.oneof(
  fc.record({ cluster, class: fc.constant("all" as const), from: tag }),
  fc.record({ cluster, class: fc.constantFrom("n" as const, "ask" as const), to: tag, from: tag }),
  fc.record({ cluster, class: fc.constant("db" as const), to: db, from: tag }),
  fc.record({
    cluster,
    class: fc.constant("r" as const),
    to: fc.oneof(tag, fc.constant("all" as const)),
    from: tag,
  }),
  fc.record({
    cluster,
    class: fc.constant("cl" as const),
    to: fc.oneof(tag, fc.constant("any" as const)),
    from: tag,
  }),
  fc.record({
    cluster,
    class: fc.constantFrom("ev" as const, "ev.cbor" as const),
    to: topic,
    from: tag,
  }),
);

/** Does a subscription take a subject, as a NATS server does it? */
function matches(subscription: string, subject: string): boolean {
  const pattern = subscription.split(".");
  const tokens = subject.split(".");
  return pattern.length === tokens.length &&
    pattern.every((token, i) => token === "*" || token === tokens[i]);
}

test("what is built is parsed to the same", () => {
  fc.assert(fc.property(anySubject, (subject) => {
    const text = buildSubject(subject);
    assert.equal({ ...parseSubject(text) }, { ...subject });
    assert.ok(text.length <= SUBJECT_MAX);
    assert.match(text, /^[A-Za-z0-9_.-]+$/);
  }));
});

test("what is parsed would be built, and a change of one character is refused or is another subject", () => {
  const odd = fc.constantFrom(".", "*", ">", " ", "\r", "\n", "\t", "\0", "é", "$", "A", "1", "");
  let refused = 0;
  fc.assert(
    fc.property(anySubject, fc.nat(), fc.nat(2), odd, (subject, at, cut, put) => {
      const text = buildSubject(subject);
      const place = at % text.length;
      const changed = text.slice(0, place) + put + text.slice(place + cut);
      const parsed = parseSubject(changed);
      if (parsed === undefined) refused += 1;
      else assert.is(buildSubject(parsed), changed);
    }),
    halved({ numRuns: 3000 }),
  );
  assert.ok(refused > 1000, `${refused} refused`);
});

test("any text is refused, or is one that would be built", () => {
  const token = fc.oneof(
    fc.constantFrom(
      "ctdbx",
      "c",
      "n",
      "all",
      "db",
      "ask",
      "r",
      "cl",
      "any",
      "ev",
      "cbor",
      "from",
      "*",
      ">",
      "",
    ),
    fc.constantFrom("aaaaaaaaaa", "0000abcd", "0000ABCD", "view"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 9 }), (tokens) => {
      const text = tokens.join(".");
      const parsed = parseSubject(text);
      if (parsed !== undefined) assert.is(buildSubject(parsed), text);
    }),
    halved({ numRuns: 3000 }),
  );
});

test("parts of another form are not built: no wildcard gets in", () => {
  const from = "aaaaaaaaaa" as Tag;
  const good = { cluster: "c", class: "n", to: from, from } as const;
  buildSubject(good);
  const bad: object[] = [
    ...["", "a.b", "a b", "*", ">", "a\n", "ä", "x".repeat(64)].map((cluster) => ({ cluster })),
    ...["", "*", ">", "aaaaaaaaa", "aaaaaaaaaaa", "AAAAAAAAAA", "aaaaaaaaa1", "aaaaaaaaa."].flatMap(
      (tag) => [{ to: tag }, { from: tag }],
    ),
    ...["any", "*", ""].map((to) => ({ class: "r", to })),
    ...["all", "*", ""].map((to) => ({ class: "cl", to })),
    ...[-1, 2 ** 32, 1.5, NaN, "0000abcd", "*"].map((to) => ({ class: "db", to })),
    ...["", "cbor", "*", ">", "a.b", "A", "1a", "_a", "x".repeat(33)].flatMap((to) => [
      { class: "ev", to },
      { class: "ev.cbor", to },
    ]),
  ];
  for (const part of bad) {
    const build = () => buildSubject({ ...good, ...part } as Subject);
    assert.throws(build, (error: unknown) => error instanceof RangeError, JSON.stringify(part));
  }
});

test("limits: a cluster of 63, a topic of 32 characters, and the longest subject", () => {
  const from = "aaaaaaaaaa" as Tag;
  const ev = (clusterLength: number, topicLength: number) =>
    `ctdbx.${"c".repeat(clusterLength)}.ev.cbor.${"t".repeat(topicLength)}.from.${from}`;
  assert.is(ev(63, 32).length, SUBJECT_MAX);
  for (const text of [ev(62, 31), ev(63, 32)]) assert.is(buildSubject(defined(text)), text);
  assert.is(parseSubject(ev(64, 32)), undefined);
  assert.is(parseSubject(ev(63, 33)), undefined);
  assert.is(parseSubject("x.".repeat(500_000)), undefined);
});

function defined(text: string): Subject {
  const parsed = parseSubject(text);
  if (parsed === undefined) throw new Error(`${text} was refused`);
  return parsed;
}

test("a node's subscriptions take its mail, and nothing else", () => {
  const own = tagOf("0123456789abcdef0123456789abcdef" as NodeId);
  const mine = [7, 0xabcdef01] as DbId[];
  const subscriptions = subjects.subscriptionsOf("c", own, mine);
  assert.is(subscriptions.length, 3 + mine.length);
  fc.assert(fc.property(anySubject, fc.boolean(), fc.boolean(), (any, isHere, isMine) => {
    const subject = { ...any, ...(isHere ? { cluster: "c" } : {}) };
    const aimed = isMine && subject.class !== "all"
      ? { ...subject, to: aim(subject, own) }
      : subject;
    const text = buildSubject(aimed as Subject);
    const due = aimed.cluster === "c" && (aimed.class === "all" ||
      ((aimed.class === "n" || aimed.class === "ask") && aimed.to === own) ||
      (aimed.class === "db" && mine.includes(aimed.to as DbId)));
    assert.is(subscriptions.filter((one) => matches(one, text)).length, due ? 1 : 0, text);
  }));
});

function aim(subject: Subject, own: Tag): unknown {
  switch (subject.class) {
    case "db":
      return 7;
    case "ev":
    case "ev.cbor":
      return "view";
    default:
      return own;
  }
}

test("a data thread's subscriptions take its mail, what goes to all of them, and what programs ask", () => {
  const own = tagOf("0123456789abcdef0123456789abcdef" as NodeId);
  const subscriptions = subjects.dataSubscriptionsOf("c", own);
  fc.assert(fc.property(anySubject, fc.boolean(), fc.boolean(), (any, isHere, isMine) => {
    const subject = { ...any, ...(isHere ? { cluster: "c" } : {}) };
    const aimed = isMine && subject.class !== "all"
      ? { ...subject, to: aim(subject, own) }
      : subject;
    const text = buildSubject(aimed as Subject);
    const due = aimed.cluster === "c" &&
      ((aimed.class === "r" && [own, "all"].includes(String(aimed.to))) ||
        (aimed.class === "cl" && [own, "any"].includes(String(aimed.to))));
    assert.is(subscriptions.filter((one) => matches(one, text)).length, due ? 1 : 0, text);
  }));
});

test("a monitor's subscription takes events in its form, of one topic or of all", () => {
  const from = "aaaaaaaaaa" as Tag;
  const json = buildSubject({ cluster: "c", class: "ev", to: "view", from });
  const cbor = buildSubject({ cluster: "c", class: "ev.cbor", to: "view", from });
  const all = subjects.eventSubscription("c", undefined);
  const asCbor = subjects.eventSubscription("c", "view", true);
  assert.equal([json, cbor].map((text) => matches(all, text)), [true, false]);
  assert.equal([json, cbor].map((text) => matches(asCbor, text)), [false, true]);
  assert.not.ok(matches(subjects.eventSubscription("c", "leader"), json));
  const wrong = [
    () => subjects.eventSubscription("c.d", undefined),
    () => subjects.eventSubscription("c", "*"),
    () => subjects.subscriptionsOf("c", "*" as Tag, []),
    () => subjects.subscriptionsOf("*", from, []),
    () => subjects.dataSubscriptionsOf("c", "all" as Tag),
    () => subjects.dataSubscriptionsOf("*", from),
    () => subjects.databaseSubscription("c", -1 as DbId),
    () => subjects.databaseSubscription(">", 1 as DbId),
  ];
  for (const build of wrong) assert.throws(build, (error: unknown) => error instanceof RangeError);
});

test("parse does not go by what all objects have", () => {
  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    assert.is(parseSubject(`ctdbx.c.${name}.aaaaaaaaaa.from.aaaaaaaaaa`), undefined);
  }
});

test.run();
