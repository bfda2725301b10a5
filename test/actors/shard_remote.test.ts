/** A shard in another thread, over a real channel: who watches it is told of changes, until it is called off. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Shard, ShardStart } from "../../actors/shard.ts";
import { exposeShard, ShardThread } from "../../actors/worker.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { NodeId } from "../../transport/wire/terms.ts";

const START: ShardStart = {
  cluster: "test",
  clusterId: undefined,
  nodeId: "0".repeat(32) as NodeId,
  stateFolder: "/state",
};

/** A shard that has watches only. */
class Double {
  readonly watches: { scope: string; prefix: string; onChange: () => void }[] = [];

  watch(scope: string, prefix: string, onChange: () => void): () => void {
    this.watches.push({ scope, prefix, onChange });
    return () => {};
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

function rig(): { thread: ShardThread; double: Double; end: () => void } {
  const { port1, port2 } = new MessageChannel();
  const double = new Double();
  exposeShard(port2, () => Promise.resolve(double as unknown as Shard));
  const thread = new ShardThread(port1);
  return { thread, double, end: () => [port1, port2].forEach((port) => port.close()) };
}

const test = suite("a shard in another thread");

test("changes are told over a port of their own, each of them; not after the end", async () => {
  const { thread, double, end } = rig();
  await thread.start(START);
  let told = 0;
  let onTold = (): void => {};
  const endWatch = await thread.watch("c", "tunable/", () => {
    told++;
    onTold();
  });
  assert.equal(double.watches.map(({ scope, prefix }) => [scope, prefix]), [["c", "tunable/"]]);
  for (const count of [1, 2, 3]) {
    const isTold = new Promise<void>((resolve) => onTold = resolve);
    double.watches[0]?.onChange();
    await isTold;
    assert.is(told, count);
  }
  endWatch();
  double.watches[0]?.onChange();
  // What is asked behind it has come when it would have.
  await thread.stop();
  assert.is(told, 3);
  end();
});

test("a shard that has not started is not watched, and says so", async () => {
  const { thread, end } = rig();
  try {
    await thread.watch("c", "tunable/", () => {});
    assert.unreachable("it was watched");
  } catch (error) {
    assert.is((error as CtdbxError).code, "state");
  }
  end();
});

test.run();
