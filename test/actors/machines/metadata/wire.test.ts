/**
 * Metadata on the wire: what the machines say in clusters under faults is what the declarations allow, and comes
 * through the codec as it was.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetadataMessage } from "../../../../actors/machines/metadata/message.ts";
import { Codec } from "../../../../transport/wire/codec.ts";
import type { MetadataMessage as Declared } from "../../../../transport/wire/messages/registry.ts";
import type { Generation, NodeId } from "../../../../transport/wire/terms.ts";
import { limit } from "../../../limit.ts";
import { runSeed } from "./swarm.ts";
import { Watched } from "./watch.ts";

const test = suite("metadata on the wire");

const KINDS = 12;

/** The two have the same types: this compiles only then. */
const declared = (message: MetadataMessage): Declared => message;
const meant = (message: Declared): MetadataMessage => message;

/** Sends each message through the codec; the kinds that were seen. */
class Line {
  readonly kinds = new Set<string>();
  readonly #codec = new Codec({
    cluster: "test",
    own: "1".repeat(32) as NodeId,
    firstId: 1n,
  });

  pass(message: MetadataMessage): void {
    const stamps = { gen: 1n as Generation, stamp: 7n };
    const payloads = this.#codec.encode(declared(message), stamps);
    let found: ReturnType<Codec["decode"]>;
    for (const payload of payloads) found = this.#codec.decode(undefined, payload, 0);
    if (found === undefined || !("message" in found)) {
      throw new Error(`${message.kind}: ${JSON.stringify(found)}`);
    }
    assert.equal(meant(found.message as Declared), message);
    this.kinds.add(message.kind);
  }
}

test(
  "whatever is said in clusters under faults comes through as it was",
  limit(60_000, () => {
    const line = new Line();
    for (let seed = 1; seed <= 4; seed++) {
      runSeed(seed, (_, effect) => {
        if (effect.type === "publish" || effect.type === "send") line.pass(effect.message);
      });
    }
    const rig = new Watched(3);
    rig.attach("a", [1]);
    rig.startAll(0);
    rig.run(3000);
    rig.write(2, "d/a", "k".repeat(256), "\u00fc😀".repeat(4000));
    for (let i = 0; i < 600; i++) rig.write(1, "d/a", `key${i}`, "v".repeat(16384), true);
    rig.run(2000);
    rig.tell(rig.node(2), { type: "read", askId: 1000, scope: "d/a", prefix: "" });
    rig.run(100);
    for (const { message } of rig.sent) line.pass(message);
    assert.is(line.kinds.size, KINDS);
  }),
);

test.run();
