/** Roles on a real server: what is forged, overheard, sniffed or broken is refused, and what each may do works. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lockKey } from "../../transport/nats_roles.ts";
import type { RealBus } from "../../transport/real_bus.ts";
import { KvLock } from "../../transport/real_kv.ts";
import type { LockSeen, LockUnknown } from "../../transport/leader_lock.ts";
import {
  buildSubject,
  dataSubscriptionsOf,
  subscriptionsOf,
} from "../../transport/wire/subjects.ts";
import type { Tag } from "../../transport/wire/terms.ts";
import { utf8 } from "../contracts/port_fixture.ts";
import { limit } from "../limit.ts";
import { until } from "./nats.ts";
import {
  ask,
  EDGE,
  hears,
  hearsReplies,
  hearsTexts,
  mayNotAsk,
  mayNotHear,
  mayNotPublish,
  RolesRig,
} from "./roles_rig.ts";
import { somebody } from "./roles_rig.ts";

const test = suite<{ rig: RolesRig }>("roles on a real server");
const STREAM = `KV_ctdbx_${EDGE}`;

test.before(async (context) => {
  context.rig = await RolesRig.start();
});
test.after(({ rig }) => rig?.nats.end());

const mail = (to: Tag, from: Tag) => buildSubject({ cluster: EDGE, class: "n", to, from });
const data = (to: Tag | "all", from: Tag) => buildSubject({ cluster: EDGE, class: "r", to, from });
const frame = (to: Tag | "any", from: Tag) =>
  buildSubject({ cluster: EDGE, class: "cl", to, from });
const question = (to: Tag, from: Tag) => buildSubject({ cluster: EDGE, class: "ask", to, from });
/** Asks JetStream for something that it does. */
async function done(bus: RealBus, subject: string, question: object): Promise<void> {
  const { error } = await ask(bus, subject, question) as { error?: object };
  assert.is(error, undefined, JSON.stringify(error));
}

const event = (from: Tag) => buildSubject({ cluster: EDGE, class: "ev", to: "heartbeat", from });

test(
  "A node speaks as itself and hears its mail",
  limit(20_000, async ({ rig }) => {
    const { n0, n1 } = rig.all;
    const [one, other] = [await rig.bus(n0), await rig.bus(n1)];
    const heard = [];
    const patterns = [
      ...subscriptionsOf(EDGE, n1.tag, [7 as never]),
      ...dataSubscriptionsOf(EDGE, n1.tag),
    ];
    for (const pattern of patterns) heard.push(await hears(other, pattern));
    const said = [
      mail(n1.tag, n0.tag),
      buildSubject({ cluster: EDGE, class: "all", from: n0.tag }),
      question(n1.tag, n0.tag),
      buildSubject({ cluster: EDGE, class: "db", to: 7 as never, from: n0.tag }),
      data(n1.tag, n0.tag),
      data("all", n0.tag),
      frame(n1.tag, n0.tag),
      frame("any", n0.tag),
    ];
    assert.is(said.length, patterns.length);
    for (const subject of said) one.publish(subject, utf8("x"));
    for (const [index, subject] of said.entries()) assert.is(await heard[index]?.take(), subject);
    assert.is(one.trouble, undefined);
    assert.is(other.trouble, undefined);
  }),
);

test(
  "A forged sender is refused: as another node, as a monitor, as a client",
  limit(20_000, async ({ rig }) => {
    const { n0, n1, n2, monitor, client, admin } = rig.all;
    const mailbox = await hearsTexts(await rig.bus(n1), `ctdbx.${EDGE}.n.${n1.tag}.from.*`);
    for (const who of [n0, monitor, client, admin]) {
      const bus = await rig.bus(who);
      await mayNotPublish(bus, mail(n1.tag, n2.tag));
      await mayNotPublish(bus, buildSubject({ cluster: EDGE, class: "all", from: n2.tag }));
      await mayNotPublish(bus, question(n1.tag, n2.tag));
      for (const to of [n1.tag, "all"] as const) await mayNotPublish(bus, data(to, n2.tag));
      for (const to of [n1.tag, "any"] as const) await mayNotPublish(bus, frame(to, n2.tag));
      await mayNotPublish(bus, event(n2.tag));
      await bus.close();
    }
    const honest = await rig.bus(n2);
    honest.publish(mail(n1.tag, n2.tag), utf8("from n2 itself"));
    assert.is(await mailbox.take(), "from n2 itself");
  }),
);

test(
  "A monitor hears events and says nothing at all",
  limit(20_000, async ({ rig }) => {
    const { n0, monitor } = rig.all;
    const [node, watcher] = [await rig.bus(n0), await rig.bus(monitor)];
    const json = await hears(watcher, `ctdbx.${EDGE}.ev.*.from.*`);
    const cbor = await hears(watcher, `ctdbx.${EDGE}.ev.cbor.*.from.*`);
    const asCbor = buildSubject({ cluster: EDGE, class: "ev.cbor", to: "stats", from: n0.tag });
    node.publish(event(n0.tag), utf8("{}"));
    node.publish(asCbor, utf8("{}"));
    assert.is(await json.take(), event(n0.tag));
    assert.is(await cbor.take(), asCbor);
    assert.is(watcher.trouble, undefined);
    for (
      const subject of [
        "x",
        event(monitor.tag),
        question(n0.tag, monitor.tag),
        frame("any", monitor.tag),
        data("all", monitor.tag),
        "$SYS.x",
        `${lockKey(EDGE)}`,
      ]
    ) {
      await mayNotPublish(watcher, subject);
    }
  }),
);

test(
  "Eavesdropping is refused to monitors, clients, operators and nodes",
  limit(30_000, async ({ rig }) => {
    const { n0, n1, monitor, client, admin } = rig.all;
    const wide = [">", "*", "ctdbx.>", `ctdbx.${EDGE}.>`, `ctdbx.*.ev.*.from.*`, "$SYS.>", "$JS.>"];
    const mails = ["n", "ask", "r", "cl"].map((name) => `ctdbx.${EDGE}.${name}.${n1.tag}.from.*`);
    const all = ["all", "db.*", "r.all", "cl.any"].map((name) => `ctdbx.${EDGE}.${name}.from.*`);
    const ours = [...all, lockKey(EDGE)];
    for (
      const [who, extra] of [[monitor, ours], [client, ours], [admin, ours], [n0, []]] as const
    ) {
      const bus = await rig.bus(who);
      for (const pattern of [...wide, ...mails, ...extra]) await mayNotHear(bus, pattern);
      await bus.close();
    }
  }),
);

test(
  "Nobody hears another's answers, and nobody slips one in",
  limit(30_000, async ({ rig }) => {
    const { n0, n1, monitor, client, other, admin } = rig.all;
    const inbox = (tag: string) => `_INBOX_${tag}.>`;
    const node = await rig.bus(n0);
    node.subscribe(`ctdbx.${EDGE}.ask.${n0.tag}.from.*`, ({ reply = "" }) => {
      node.publish(reply, utf8("the answer"));
      node.publish(reply, utf8("one more"));
    });
    const sniffers = [];
    for (const who of [n1, monitor, other, admin]) {
      const bus = await rig.bus(who);
      for (const pattern of ["_INBOX.>", "*.>", inbox(client.tag), "*.*.*"]) {
        await mayNotHear(bus, pattern);
      }
      sniffers.push(bus);
    }
    const asker = await rig.bus(client);
    const { subject, payload } = await asker.request(question(n0.tag, client.tag), utf8("?"), 5000);
    assert.is(new TextDecoder().decode(payload), "the answer");
    assert.ok(subject.startsWith(`_INBOX_${client.tag}.`), subject);
    for (const bus of sniffers) await mayNotPublish(bus, subject);
  }),
);

test(
  "A program's session is one reply subject: who was told of it answers as often as it likes, nobody else",
  limit(30_000, async ({ rig }) => {
    const { n0, n1, client, other } = rig.all;
    const [asked, never, stranger] = [await rig.bus(n0), await rig.bus(n1), await rig.bus(other)];
    const replies = await hearsReplies(asked, `ctdbx.${EDGE}.cl.${n0.tag}.from.*`);
    const program = await rig.bus(client);
    const session = `_INBOX_${client.tag}.session`;
    const answers = await hearsTexts(program, session);
    program.publish(frame(n0.tag, client.tag), utf8("hello"), session);
    assert.is(await replies.take(), session);
    for (let i = 0; i < 100; i++) asked.publish(session, utf8(`answer ${i}`));
    for (let i = 0; i < 100; i++) assert.is(await answers.take(), `answer ${i}`);
    for (const bus of [never, stranger]) await mayNotPublish(bus, session);
    assert.is(asked.trouble, undefined);
  }),
);

test(
  "A client may ask and use databases through nodes, and do nothing else",
  limit(20_000, async ({ rig }) => {
    const { n0, client, admin } = rig.all;
    for (const who of [client, admin]) {
      const bus = await rig.bus(who);
      const subjects = [
        mail(n0.tag, who.tag),
        data(n0.tag, who.tag),
        data("all", who.tag),
        buildSubject({ cluster: EDGE, class: "all", from: who.tag }),
        event(who.tag),
        lockKey(EDGE),
        `ctdbx.other.ask.${n0.tag}.from.${who.tag}`,
      ];
      for (const subject of subjects) await mayNotPublish(bus, subject);
      await mayNotAsk(bus, `$JS.API.STREAM.INFO.${STREAM}`, {});
      await bus.close();
    }
  }),
);

test(
  "The lock works for a node; its stream cannot be deleted, purged or read otherwise, and there is no other",
  limit(30_000, async ({ rig }) => {
    const { n0, n1 } = rig.all;
    const bus = await rig.bus(n0);
    const { clock } = rig.nats;
    const lock = new KvLock({ bus, cluster: EDGE, clock });
    const look = () => new Promise<LockSeen | LockUnknown>((resolve) => lock.look(resolve));
    const first = await look();
    assert.is(first.kind, "seen", JSON.stringify(first));
    const watching = await hears(await rig.bus(n1), lockKey(EDGE));
    const record = { holder: n0.nodeId, incarnation: 1n, token: 1n << 32n, nonce: 1 };
    const written = await new Promise<{ kind: string }>((resolve) =>
      lock.write("acquire", (first as LockSeen).revision, record as never, resolve)
    );
    assert.is(written.kind, "ok", JSON.stringify(written));
    assert.is(await watching.take(), lockKey(EDGE));
    const second = await look();
    assert.is((second as LockSeen).record?.holder, n0.nodeId);
    assert.is(bus.trouble, undefined);
    for (const verb of ["STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE", "STREAM.SNAPSHOT"]) {
      await mayNotAsk(bus, `$JS.API.${verb}.${STREAM}`, { seq: 1, deliver_subject: "x" });
    }
    await mayNotAsk(bus, `$JS.API.CONSUMER.CREATE.${STREAM}`, {});
    await mayNotAsk(bus, `$JS.API.DIRECT.GET.${STREAM}`, { seq: 1 });
    for (const verb of ["STREAM.CREATE", "STREAM.INFO", "STREAM.DELETE", "STREAM.MSG.GET"]) {
      await mayNotAsk(bus, `$JS.API.${verb}.OTHER`, { name: "OTHER" });
    }
    await mayNotAsk(bus, "$JS.API.STREAM.LIST", {});
    await mayNotPublish(bus, `$KV.ctdbx_${EDGE}.other`);
    await lock.close();
  }),
);

/** A stream as a hostile node would have it, under the only name that it may use. */
const TRAP = {
  name: STREAM,
  subjects: [`$KV.ctdbx_${EDGE}.>`],
  storage: "file",
  retention: "limits",
  discard: "old",
  num_replicas: 1,
};

test(
  "A stream that a node makes sends nothing to the cluster in another's name",
  limit(30_000, async () => {
    const rig = await RolesRig.start();
    try {
      const { n0, n1, n2 } = rig.all;
      const bus = await rig.bus(n0);
      const victim = await hearsTexts(await rig.bus(n1), `ctdbx.${EDGE}.n.${n1.tag}.from.*`);
      const republish = { src: lockKey(EDGE), dest: mail(n1.tag, n2.tag) };
      await done(bus, `$JS.API.STREAM.CREATE.${STREAM}`, { ...TRAP, republish });
      const ack = await ask(bus, lockKey(EDGE), { said: "by n0, to be sent as n2" });
      assert.is((ack as { stream: string }).stream, STREAM);
      const honest = await rig.bus(n2);
      honest.publish(mail(n1.tag, n2.tag), utf8("from n2 itself"));
      assert.is(await victim.take(), "from n2 itself");
    } finally {
      await rig.nats.end();
    }
  }),
);

test(
  "A stream that a node makes swallows nothing that the cluster says",
  limit(30_000, async () => {
    const rig = await RolesRig.start();
    try {
      const { n0, n1, n2 } = rig.all;
      const bus = await rig.bus(n0);
      const victim = await hears(await rig.bus(n1), `ctdbx.${EDGE}.n.${n1.tag}.from.*`);
      await done(bus, `$JS.API.STREAM.CREATE.${STREAM}`, TRAP);
      const subjects = [...TRAP.subjects, `ctdbx.${EDGE}.>`];
      await done(bus, `$JS.API.STREAM.UPDATE.${STREAM}`, { ...TRAP, subjects });
      const honest = await rig.bus(n2);
      honest.publish(mail(n1.tag, n2.tag), utf8("not for n0"));
      await victim.take();
      const ack = await ask(bus, lockKey(EDGE), { said: "later" }) as { seq: number };
      assert.is(ack.seq, 1, "the mail of the cluster is in the stream");
    } finally {
      await rig.nats.end();
    }
  }),
);

test(
  "Who is taken off the list is cut and told why; the others notice nothing; who is put back is let in",
  limit(30_000, async ({ rig }) => {
    const { n0, n1, monitor, client } = rig.all;
    const stays = [await rig.bus(n0), await rig.bus(client)];
    const goes = [await rig.bus(n1), await rig.bus(monitor)];
    const cuts: string[] = [];
    for (const bus of stays) bus.watch((status) => cuts.push(status));
    const without = Object.values(rig.all).filter((who) => who !== n1 && who !== monitor);
    rig.reload(without);
    for (const bus of goes) await until(bus, "disconnected");
    for (const [index, { key }] of [n1, monitor].entries()) {
      while (!goes[index]?.trouble?.includes(`it refuses key ${key.publicKey}`)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const rotated = { ...n1, ...{ key: somebody("node", "n1").key } };
    const renewed = { ...rotated, user: { ...n1.user, key: rotated.key.publicKey } };
    rig.reload([...without, renewed, monitor]);
    await until(goes[1] as (typeof goes)[number], "connected");
    const again = await rig.bus(renewed);
    again.publish(mail(n0.tag, n1.tag), utf8("with a new key"));
    await again.flush(5000);
    assert.is(again.trouble, undefined);
    assert.is(goes[0]?.status, "disconnected");
    for (const bus of stays) await bus.flush(5000);
    assert.equal(cuts, []);
    rig.reload(Object.values(rig.all));
    await until(goes[0] as (typeof goes)[number], "connected");
  }),
);

test(
  "What is forbidden is asked for again: when it is allowed, it is heard",
  limit(30_000, async () => {
    const rig = await RolesRig.start();
    try {
      const { n0, client } = rig.all;
      const bus = await rig.bus(client);
      const all = `ctdbx.${EDGE}.all.from.*`;
      const heard = await hears(bus, all);
      while (!bus.trouble?.includes(`to subscribe to ${all}`)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const more = { ...client, user: { ...client.user, role: "node" as const } };
      rig.reload([n0, more]);
      const node = await rig.bus(n0);
      const subject = buildSubject({ cluster: EDGE, class: "all", from: n0.tag });
      const again = setInterval(() => node.publish(subject, utf8("x")), 50);
      assert.is(await heard.take(), subject);
      clearInterval(again);
    } finally {
      await rig.nats.end();
    }
  }),
);

test(
  "Nobody gets in without a key, with a foreign one, or with another way",
  limit(20_000, async ({ rig }) => {
    const strangers = [
      {},
      { seed: somebody("node", "n0").key.seed },
      { user: "n0", password: "n0" },
      { token: rig.all.n0.key.publicKey },
    ];
    for (const login of strangers) {
      const bus = rig.nats.dial([rig.address], { login });
      while (!/it refuses .*Authorization Violation/i.test(bus.trouble ?? "")) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.is(bus.status, "disconnected");
      await bus.close();
    }
  }),
);

test.run();
