/** The post of a node: where an answer may not go. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Post } from "../../actors/post.ts";
import { Codec } from "../../transport/wire/codec.ts";
import type { AnyMessage } from "../../transport/wire/message.ts";
import type { Generation, NodeId } from "../../transport/wire/terms.ts";
import type { Bus } from "../../transport/world.ts";

const test = suite("post");
const OWN = "1".repeat(32) as NodeId;

/** A post whose bus keeps the subjects that were published to. */
function made(): { post: Post; subjects: string[] } {
  const subjects: string[] = [];
  const bus: Bus = {
    status: "connected",
    payloadMax: 65536,
    publish: (subject) => void subjects.push(subject),
    subscribe: () => () => {},
    request: () => Promise.reject(new Error("not here")),
    watch: () => () => {},
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const clock = { nowMs: () => 0, wallMs: () => 0, after: () => () => {} };
  const codec = new Codec({ cluster: "edge", own: OWN, firstId: 1n });
  const stamps = () => ({ gen: 0n as Generation, stamp: 0n });
  const log = { write: () => {} };
  const onMessage = () => {};
  const cluster = "edge";
  return {
    post: new Post({ bus, clock, log, codec, cluster, own: OWN, stamps, onMessage }),
    subjects,
  };
}

test("an answer goes to an inbox; never into somebody's mail or the server, whoever wants it there", () => {
  const { post, subjects } = made();
  const answer = { kind: "answer", ok: "{}" } as AnyMessage;
  post.answer("_INBOX_aaaaaaaaaa.x.1", answer);
  const traps = [
    "ctdbx.edge.n.aaaaaaaaaa.from.bbbbbbbbbb",
    "ctdbx.edge.all.from.bbbbbbbbbb",
    "ctdbx.edge.ev.heartbeat.from.bbbbbbbbbb",
    "$KV.ctdbx_edge.leader",
    "$JS.API.STREAM.DELETE.KV_ctdbx_edge",
  ];
  for (const reply of traps) post.answer(reply, answer);
  assert.equal(subjects, ["_INBOX_aaaaaaaaaa.x.1"]);
  assert.is(post.counters.refused.get("sender"), traps.length);
});

test.run();
