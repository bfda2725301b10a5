/**
 * A rolling upgrade with real daemons: three of the older version, one after the other of the newer one, then the newer
 * format, and no way back.
 *
 * Does NOT promise: the older program; it is this one, told to be of level 1 (docs/decisions/0014).
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { genesis } from "../../actors/machines/cluster/document.ts";
import { MetaFile } from "../../actors/storage/meta_file.ts";
import { makeIdentity } from "../../actors/storage/node_identity.ts";
import { type NodePaths, pathsInHome } from "../../cli/config.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import type { ClusterId, Incarnation, NodeId, Token } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { command, dataOf, type Outcome } from "./dev_rig.ts";
import { NatsRig } from "./nats.ts";
import { ctdbx, type Process } from "./process.ts";

interface Context {
  rig: NatsRig;
  trio: Trio | undefined;
}

interface Upgrade {
  readonly format: number;
  readonly ready: boolean;
  readonly why?: string;
}

const test = suite<Context>("live upgrade");

const NODES = 3;
const WAIT_S = 20;
/** Where the format stands in a file of metadata. */
const FORMAT_AT = 8;

/** Three nodes of a cluster of format 1, in folders of their own. */
class Trio {
  readonly #folder = mkdtempSync(join(tmpdir(), "ctdbx-upgrade-"));
  readonly #daemons: (Process | undefined)[] = [];

  /** Makes the files of the nodes. */
  async make(): Promise<void> {
    const world = { disk: new RealDisk(), dice: new RealDice() };
    const ids = [1, 2, 3].map((digit) => `${digit}`.repeat(32) as NodeId);
    const accepted = genesis({
      clusterId: "c".repeat(32) as ClusterId,
      nodes: ids.map((nodeId, n) => ({ nodeId, name: `n${n}`, addr: `n${n}:1`, isVoter: true })),
    });
    for (const [n, nodeId] of ids.entries()) {
      const { state } = this.paths(n);
      const { diskId } = await makeIdentity(world, state, { name: `n${n}`, nodeId });
      const durable = { diskId, promised: 0n as Token, accepted, incarnation: 0n as Incarnation };
      await new Promise<void>((done, fail) =>
        new MetaFile(world.disk, state).save(
          durable,
          (error) => error === undefined ? done() : fail(error),
        )
      );
    }
  }

  paths(n: number): NodePaths {
    return pathsInHome(join(this.#folder, `n${n}`));
  }

  /** Starts the daemon of a node in a version. */
  start(n: number, level: number, port: number): Process {
    const { config, run } = this.paths(n);
    mkdirSync(run, { recursive: true });
    const test = level === 1 ? `\n[test]\nlevel = "1"\n` : "";
    const nats = `[nats]\nservers = ["127.0.0.1:${port}"]\n`;
    const lock = `[lock]\nkind = "file"\npath = "${join(this.#folder, "leader.lock")}"\n`;
    writeFileSync(config, `cluster = "up"\nname = "n${n}"\n${test}\n${nats}\n${lock}`);
    const daemon = ctdbx(["daemon", "run", "--home", join(this.#folder, `n${n}`)]);
    this.#daemons[n] = daemon;
    return daemon;
  }

  /** Ends the daemon of a node in order. */
  async stop(n: number): Promise<void> {
    const daemon = this.#daemons[n];
    daemon?.signal("SIGTERM");
    assert.is(await daemon?.ended, 0, daemon?.err);
  }

  async run(words: string, n: number): Promise<Outcome> {
    return await command([...words.split(" "), "--home", join(this.#folder, `n${n}`)]);
  }

  async well(n: number): Promise<void> {
    // It answers when its socket is there; then it is asked what it sees.
    let outcome = await this.run("node ping", n);
    for (let tries = 0; outcome.exit !== 0 && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      outcome = await this.run("node ping", n);
    }
    const { exit, err } = await this.run(`cluster wait --for all-ok --timeout ${WAIT_S}`, n);
    assert.is(exit, 0, err);
  }

  async upgrade(n: number): Promise<Upgrade> {
    const { exit, out, err } = await this.run("cluster upgrade -o json", n);
    assert.is(exit, 0, err);
    return dataOf<Upgrade>(out);
  }

  /** The newest format that a node has written. */
  written(n: number): number {
    const formats = ["meta.a", "meta.b"].map((name) => {
      const bytes = readFileSync(join(this.paths(n).state, name));
      return bytes.readUInt32LE(FORMAT_AT);
    });
    return Math.max(...formats);
  }

  async end(): Promise<void> {
    for (const daemon of this.#daemons) await daemon?.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

test.before((context) => {
  context.rig = new NatsRig();
  context.trio = undefined;
});
test.after(async ({ rig, trio }) => {
  await trio?.end();
  await rig.end();
});

test.either(
  "old and new serve together; the newer format waits for the last one; then there is no way back",
  limit(120_000, async (context) => {
    const { port } = await context.rig.server({});
    const trio = new Trio();
    context.trio = trio;
    await trio.make();
    for (let n = 0; n < NODES; n++) trio.start(n, 1, port);
    for (let n = 0; n < NODES; n++) await trio.well(n);
    for (let n = 0; n < NODES; n++) {
      assert.is.not((await trio.run("cluster upgrade", n)).exit, 0, "it has no such verb");
      await trio.stop(n);
      trio.start(n, 2, port);
      await trio.well(n);
      assert.is(trio.written(n), 1);
      const { exit, err } = await trio.run("cluster upgrade --finalize --yes", n);
      assert.is(exit === 0, n === NODES - 1, `not as long as an older node is there: ${err}`);
      if (exit === 0) continue;
      const { ready } = await trio.upgrade(n);
      assert.is(ready, false);
    }
    for (let n = 0; n < NODES; n++) {
      await trio.well(n);
      assert.is(trio.written(n), 2);
      assert.is((await trio.upgrade(n)).format, 2);
    }
    await trio.stop(2);
    const back = trio.start(2, 1, port);
    assert.is.not(await back.ended, 0);
    assert.match(back.err, /its format is 2, this ctdbx knows up to 1/);
    trio.start(2, 2, port);
    await trio.well(2);
  }),
);

test.run();
