/**
 * Questions of programs about resources, before they reach the desk: what is wrong is refused with its name.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Session } from "../../../actors/data/session.ts";
import { SessionResources } from "../../../actors/data/session_resources.ts";
import type { ResourceAsk } from "../../../actors/resources/words.ts";
import { RESOURCES_MAX } from "../../../transport/wire/resource.ts";
import { ClientRig } from "../client/client_rig.ts";

const test = suite("questions about resources");

/** What a session is for them. */
function sessionOf(
  told: ResourceAsk[],
  { isHere = true, hasDesk = true }: { isHere?: boolean; hasDesk?: boolean } = {},
): SessionResources {
  const resources = (ask: ResourceAsk) => {
    told.push(ask);
    return Promise.resolve({ orders: [] });
  };
  const session = {
    ...{ client: 7, callerPid: 77, program: "p", isClosed: false },
    parts: {
      host: hasDesk ? { resources } : {},
      log: { write: () => {} },
      files: isHere ? { pagePath: "/run/state", folder: "/state" } : undefined,
    },
  };
  return new SessionResources(session as unknown as Session);
}

const whyNot = async (work: Promise<unknown>) => await work.then(() => "done", String);

test("Each question reaches the desk, with the client and what the kernel says of its process", async () => {
  const told: ResourceAsk[] = [];
  const asks = sessionOf(told);
  asks.end();
  assert.equal(told, [], "of a program that asked nothing nothing is told");
  await asks.ask({ what: "offer", id: 1, name: "job" });
  await asks.ask({ what: "say", said: [{ grant: 3, did: "failed", why: "x".repeat(1000) }] });
  await asks.ask({ what: "news" });
  await asks.ask({ what: "withdraw", id: 1 });
  asks.end();
  assert.equal(told, [
    { what: "offer", client: 7, pid: 77, program: "p", id: 1, name: "job" },
    { what: "say", client: 7, said: [{ grant: 3, did: "failed", why: "x".repeat(200) }] },
    { what: "news", client: 7 },
    { what: "withdraw", client: 7, id: 1 },
    { what: "ended", client: 7 },
  ]);
});

test("What is wrong is named, and does not reach the desk", async () => {
  const told: ResourceAsk[] = [];
  const asks = sessionOf(told);
  const many = new Array(RESOURCES_MAX + 1).fill({ grant: 1, did: "taken" });
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{}, /what must be a question about resources/],
    [{ what: "own" }, /what must be/],
    [{ what: "offer", id: 0, name: "a" }, /id must be an integer from 1/],
    [{ what: "offer", id: 1.5, name: "a" }, /id must be/],
    [{ what: "offer", id: 1 }, /Cannot use resource a undefined/],
    [{ what: "offer", id: 1, name: "a b" }, /1 to 64 of A-Z/],
    [{ what: "withdraw", id: "1" }, /id must be/],
    [{ what: "say" }, /said must be a list/],
    [{ what: "say", said: [7] }, /said must be a list of objects/],
    [{ what: "say", said: [{ grant: 1, did: "kept" }] }, /did must be taken, released, failed/],
    [{ what: "say", said: [{ did: "taken" }] }, /grant must be/],
    [{ what: "say", said: many }, /said must be a list/],
  ];
  for (const [args, why] of wrong) assert.match(await whyNot(asks.ask(args)), why);
  assert.equal(told, []);
});

test("A program of another machine, and a node without resources: unsupported, with the reason", async () => {
  const offer = { what: "offer", id: 1, name: "job" };
  const far = await whyNot(sessionOf([], { isHere: false }).ask(offer));
  assert.match(far, /the node of this machine lends them, and over NATS alone there is none/);
  const old = await whyNot(sessionOf([], { hasDesk: false }).ask(offer));
  assert.match(old, /this node is of a version without/);
});

test("The library refuses over NATS alone, and without the machine's clock", async () => {
  const rig = await ClientRig.start(1, 1);
  const far = await rig.connectOver("far");
  const plain = await rig.connect(0, { mapped: false });
  for (const cluster of [far, plain]) {
    const why = await rig.do(whyNot(cluster.resource("job")));
    assert.match(why, /Cannot own resources: .* without `servers` and without `mapped: false`/);
  }
  await rig.end();
});

test.run();
