/** Several servers with roles as one service: the lock, permissions everywhere, and a server that has no secret. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KvLock } from "../../transport/real_kv.ts";
import type { LockSeen, LockUnknown } from "../../transport/leader_lock.ts";
import type { NatsServer } from "../../transport/real_nats_server.ts";
import type { RealBus } from "../../transport/real_bus.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import { Inbox, utf8 } from "../contracts/port_fixture.ts";
import { limit } from "../limit.ts";
import { freePorts, NatsRig, until } from "./nats.ts";
import { EDGE, mayNotPublish, type Somebody, somebody } from "./roles_rig.ts";

interface Context {
  rig: NatsRig;
  ports: number[];
  servers: NatsServer[];
  n0: Somebody;
  n1: Somebody;
}

const test = suite<Context>("routes between servers with roles");
const SECRET = "routes-of-edge-0123456789";

/** Starts a server of the service; `secret`: what it says to the others. */
function start(
  { rig, ports, n0, n1 }: Context,
  index: number,
  more: { secret?: string; onLine?: (line: string) => void } = {},
): Promise<NatsServer> {
  const { secret = SECRET, onLine } = more;
  return rig.server({
    name: `r${index}`,
    storeFolder: rig.store(`r${index}`),
    roles: { cluster: EDGE, users: [n0.user, n1.user] },
    cluster: {
      name: "trio",
      port: ports[index] ?? 0,
      routes: ports.slice(0, 3).map((port) => `127.0.0.1:${port}`),
      secret,
    },
    ...onLine === undefined ? {} : { onLine },
  });
}

async function dial(rig: NatsRig, server: NatsServer | undefined, who: Somebody): Promise<RealBus> {
  const bus = rig.dial([server?.address ?? ""], { login: { seed: who.key.seed } });
  await until(bus, "connected");
  return bus;
}

test.before(limit(60_000, async (context) => {
  Object.assign(context, {
    rig: new NatsRig(),
    ports: await freePorts(4),
    n0: somebody("node", "n0"),
    n1: somebody("node", "n1"),
  });
  context.servers = await Promise.all([0, 1, 2].map((index) => start(context, index)));
}));
test.after(({ rig }) => rig?.end());

test(
  "Mail goes over a route, a forged sender does not, and the lock is one for all",
  limit(60_000, async ({ rig, servers, n0, n1 }) => {
    const [near, far] = [await dial(rig, servers[0], n0), await dial(rig, servers[1], n1)];
    const heard = new Inbox<string>();
    const mail = buildSubject({ cluster: EDGE, class: "n", to: n1.tag, from: n0.tag });
    far.subscribe(`ctdbx.${EDGE}.n.${n1.tag}.from.*`, ({ subject }) => heard.put(subject));
    // A route takes a moment to learn of a subscription.
    const again = setInterval(() => near.publish(mail, utf8("x")), 10);
    assert.is(await heard.take(), mail);
    clearInterval(again);
    await mayNotPublish(
      near,
      buildSubject({ cluster: EDGE, class: "n", to: n1.tag, from: n1.tag }),
    );
    const { clock } = rig;
    const look = (bus: RealBus) => {
      const lock = new KvLock({ bus, cluster: EDGE, clock });
      return new Promise<LockSeen | LockUnknown>((resolve) => lock.look(resolve));
    };
    // The servers elect first, and a write whose answer was lost may have been done.
    const record = { holder: n0.nodeId, incarnation: 1n, token: 1n << 32n, nonce: 1 };
    const lock = new KvLock({ bus: near, cluster: EDGE, clock });
    for (let isDone = false; !isDone;) {
      const one = await look(near);
      if (one.kind !== "seen") continue;
      isDone = one.record?.holder === n0.nodeId;
      if (isDone) break;
      const written = await new Promise<{ kind: string }>((resolve) =>
        lock.write("acquire", one.revision, record as never, resolve)
      );
      isDone = written.kind === "ok";
      assert.ok(isDone || written.kind === "unknown", JSON.stringify(written));
    }
    const other = await look(far);
    assert.is((other as LockSeen).record?.holder, n0.nodeId);
    assert.is(far.trouble, undefined);
  }),
);

test(
  "A server without the secret is no part of it",
  limit(60_000, async (context) => {
    const refused = new Inbox<string>();
    await start(context, 3, {
      secret: "some-other-secret-0123456789",
      onLine: (line) =>
        /Authorization Violation|authentication error/i.test(line) && refused.put(line),
    });
    assert.match(await refused.take(), /rid:/);
  }),
);

test.run();
