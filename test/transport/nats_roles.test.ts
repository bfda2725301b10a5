/** Permissions by role: what is in them, what is not, and that nothing can be smuggled into their text. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inboxOfKey, tagOfKey } from "../../transport/nats_keys.ts";
import {
  accountsText,
  NATS_ROLES,
  NATS_USERS_MAX,
  type NatsUser,
  natsUsersOf,
  permissionsOf,
  permissionsText,
  usersText,
} from "../../transport/nats_roles.ts";
import { newNkey } from "../../transport/real_nkeys.ts";
import {
  buildSubject,
  dataSubscriptionsOf,
  eventSubscription,
  subscriptionsOf,
} from "../../transport/wire/subjects.ts";
import type { DbId, NodeId, Tag } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { throwsRange } from "../contracts/port_fixture.ts";

const test = suite("roles on the bus");
const CLUSTER = "edge";
const OWN = { tag: "aaaaaaaaaa", inbox: "_INBOX_bbbbbbbbbb" };
const OTHER = "cccccccccc" as Tag;
const ID = (digit: string) => digit.repeat(32) as NodeId;

/** Does a server let this through? Patterns as its lists have them; a wildcard in `subject` is only itself. */
function covers(patterns: readonly string[], subject: string): boolean {
  const tokens = subject.split(".");
  return patterns.some((pattern) => {
    const wanted = pattern.split(".");
    if (wanted.at(-1) === ">") {
      const head = wanted.slice(0, -1);
      return tokens.length > head.length &&
        head.every((one, at) => one === "*" || one === tokens[at]);
    }
    return wanted.length === tokens.length &&
      wanted.every((one, at) => one === tokens[at] || (one === "*" && tokens[at] !== ">"));
  });
}

/** A subject of each class. */
function subjectsFrom(from: Tag): string[] {
  return [
    buildSubject({ cluster: CLUSTER, class: "n", to: OTHER, from }),
    buildSubject({ cluster: CLUSTER, class: "all", from }),
    buildSubject({ cluster: CLUSTER, class: "db", to: 7 as DbId, from }),
    buildSubject({ cluster: CLUSTER, class: "ask", to: OTHER, from }),
    buildSubject({ cluster: CLUSTER, class: "r", to: OTHER, from }),
    buildSubject({ cluster: CLUSTER, class: "r", to: "all", from }),
    buildSubject({ cluster: CLUSTER, class: "cl", to: OTHER, from }),
    buildSubject({ cluster: CLUSTER, class: "cl", to: "any", from }),
    buildSubject({ cluster: CLUSTER, class: "ev", to: "stats", from }),
    buildSubject({ cluster: CLUSTER, class: "ev.cbor", to: "stats", from }),
  ];
}

test("a node may say what is from itself, and nothing that is from another", () => {
  const { publish, answers } = permissionsOf("node", CLUSTER, OWN);
  for (const subject of subjectsFrom(OWN.tag as Tag)) assert.ok(covers(publish, subject), subject);
  for (const subject of subjectsFrom(OTHER)) assert.not.ok(covers(publish, subject), subject);
  assert.ok(answers);
});

test("a node may hear all that it subscribes to, and no mail of another", () => {
  const { subscribe } = permissionsOf("node", CLUSTER, OWN);
  const dbs = [1 as DbId, 0xffffffff as DbId];
  const of = (tag: Tag) => [
    ...subscriptionsOf(CLUSTER, tag, dbs),
    ...dataSubscriptionsOf(CLUSTER, tag),
  ];
  for (const pattern of of(OWN.tag as Tag)) assert.ok(covers(subscribe, pattern), pattern);
  assert.ok(covers(subscribe, eventSubscription(CLUSTER, undefined)));
  const mails = of(OTHER).filter((one) => one.includes(`.${OTHER}.`));
  assert.is(mails.length, 4);
  for (const pattern of mails) assert.not.ok(covers(subscribe, pattern), pattern);
});

test("a monitor may say nothing; clients and operators may ask, and use databases through nodes", () => {
  assert.equal(permissionsOf("monitor", CLUSTER, OWN).publish, []);
  for (const role of ["client", "admin"] as const) {
    const { publish, answers } = permissionsOf(role, CLUSTER, OWN);
    const allowed = subjectsFrom(OWN.tag as Tag).filter((subject) => covers(publish, subject));
    assert.equal(allowed, [
      `ctdbx.${CLUSTER}.ask.${OTHER}.from.${OWN.tag}`,
      `ctdbx.${CLUSTER}.cl.${OTHER}.from.${OWN.tag}`,
      `ctdbx.${CLUSTER}.cl.any.from.${OWN.tag}`,
    ]);
    assert.not.ok(answers);
  }
});

test("a node that has gone may write to nodes as itself, hear their mail to it, and no more", () => {
  const { publish, subscribe, answers } = permissionsOf("gone", CLUSTER, OWN);
  assert.equal(publish, [`ctdbx.${CLUSTER}.n.*.from.${OWN.tag}`]);
  assert.equal(subscribe, [`ctdbx.${CLUSTER}.n.${OWN.tag}.from.*`, `${OWN.inbox}.>`]);
  assert.not.ok(answers);
});

test("only a node reaches JetStream: five verbs of one stream, and one key", () => {
  const reaches = (role: (typeof NATS_ROLES)[number]) =>
    permissionsOf(role, CLUSTER, OWN).publish.filter((subject) => subject.startsWith("$"));
  assert.equal(reaches("node"), [
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.KV_ctdbx_edge",
    "$JS.API.STREAM.CREATE.KV_ctdbx_edge",
    "$JS.API.STREAM.UPDATE.KV_ctdbx_edge",
    "$JS.API.STREAM.MSG.GET.KV_ctdbx_edge",
    "$KV.ctdbx_edge.leader",
  ]);
  for (const role of ["monitor", "client", "admin"] as const) assert.equal(reaches(role), []);
});

test("everybody hears the answers to his own questions only; a monitor has none", () => {
  for (const role of NATS_ROLES) {
    const inboxes = permissionsOf(role, CLUSTER, OWN).subscribe.filter((one) => /^_/.test(one));
    assert.equal(inboxes, role === "monitor" ? [] : [`${OWN.inbox}.>`]);
  }
});

test("who may publish nothing is forbidden it: an empty list would allow everything", () => {
  const text = permissionsText(permissionsOf("monitor", CLUSTER, OWN));
  assert.match(text, 'publish: { deny: ">" }');
  assert.not.match(text, "allow_responses");
  assert.match(permissionsText(permissionsOf("node", CLUSTER, OWN)), "allow_responses: { max: -1,");
});

test("a document lets in its nodes, its invitations and its users, each once", () => {
  const keys = Array.from({ length: 6 }, () => newNkey().publicKey);
  const [a = "", b = "", c = "", d = "", e = ""] = keys;
  const users = natsUsersOf({
    nodes: [
      { name: "n0", nodeId: ID("0"), natsKey: a },
      { name: "old", nodeId: ID("1") },
      { name: "twice", nodeId: ID("2"), natsKey: a },
      { name: "same tag", nodeId: ID("0"), natsKey: e },
      { name: "broken", nodeId: ID("3"), natsKey: `${b.slice(0, -1)}=` },
    ],
    invitations: [{ name: "n7", nodeId: ID("7"), natsKey: b }],
    users: [
      { role: "monitor", name: "m", natsKey: c },
      { role: "admin", name: "a", natsKey: d },
      { role: "client", name: "n7 again", natsKey: b },
    ],
  });
  assert.equal(users, [
    { role: "node", name: "n0", key: a, tag: tagOf(ID("0")) },
    { role: "node", name: "n7", key: b, tag: tagOf(ID("7")) },
    { role: "monitor", name: "m", key: c, tag: tagOfKey(c) },
    { role: "admin", name: "a", key: d, tag: tagOfKey(d) },
  ]);
  assert.equal(natsUsersOf({ nodes: [{ name: "n0", nodeId: ID("0") }] }), []);
  const back = natsUsersOf({
    nodes: [{ name: "n0", nodeId: ID("0"), natsKey: a }],
    gone: [
      { name: "n9", nodeId: ID("9"), natsKey: e },
      { name: "n8", nodeId: ID("8") },
      { name: "n7", nodeId: ID("7"), natsKey: a },
    ],
  });
  assert.equal(back.map(({ role, name }) => [role, name]), [["node", "n0"], ["gone", "n9"]]);
});

test("the text has each user with its own key, tag and inbox", () => {
  const key = newNkey().publicKey;
  const text = usersText(CLUSTER, [{ role: "client", name: "web", key, tag: tagOfKey(key) }]);
  for (const part of [`nkey: ${key}`, `# client web, ${tagOfKey(key)}`, `"${inboxOfKey(key)}.>"`]) {
    assert.ok(text.includes(part), `${part} in\n${text}`);
  }
  assert.ok(accountsText(CLUSTER, text, true).includes("jetstream: enabled"));
  assert.not.ok(accountsText(CLUSTER, text, false).includes("jetstream: enabled"));
});

test("nothing that could mean more than itself gets in", () => {
  const key = newNkey().publicKey;
  const tag = tagOfKey(key);
  const good: NatsUser = { role: "client", name: "web", key, tag };
  usersText(CLUSTER, [good]);
  for (const name of ["", "a b", "a\nb", "}", 'a"', "#", "x".repeat(64)]) {
    throwsRange(() => usersText(CLUSTER, [{ ...good, name }]));
  }
  throwsRange(() => usersText(CLUSTER, [{ ...good, key: `${key} }` }]));
  throwsRange(() => usersText(CLUSTER, [{ ...good, tag: OTHER }]));
  for (const wild of ["*", ">", "a.b", "", "aaaaaaaaa", "AAAAAAAAAA"]) {
    throwsRange(() => usersText(CLUSTER, [{ ...good, role: "node", tag: wild as Tag }]));
  }
  for (const cluster of ["", "*", ">", "a.b", 'a"', "x".repeat(64)]) {
    throwsRange(() => usersText(cluster, [good]));
    throwsRange(() => accountsText(cluster, "", true));
    throwsRange(() => permissionsOf("node", cluster, OWN));
  }
});

test("two with one key or one tag are refused, and so are too many", () => {
  const [one, other] = [newNkey().publicKey, newNkey().publicKey];
  const node = (key: string, tag: Tag, name: string): NatsUser => ({
    role: "node",
    name,
    key,
    tag,
  });
  assert.throws(
    () => usersText(CLUSTER, [node(one, OTHER, "n0"), node(one, OWN.tag as Tag, "n1")]),
    /n0 and n1 have the same U/,
  );
  assert.throws(
    () => usersText(CLUSTER, [node(one, OTHER, "n0"), node(other, OTHER, "n1")]),
    /n0 and n1 have the same cccccccccc/,
  );
  const many = Array.from({ length: NATS_USERS_MAX + 1 }, () => node(one, OTHER, "n"));
  assert.throws(() => usersText(CLUSTER, many), /NATS_USERS_MAX is 4096/);
});

test.run();
