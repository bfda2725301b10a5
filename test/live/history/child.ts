/**
 * A program of a run: history/client.ts as a process.
 *
 *   child.ts '{"connect":{...},"database":"...","seed":1,"logPath":...}'
 *   <- ready   -> ready      <- stop   -> {"counts":{...},"whys":[...],"pnn":0}
 *
 * It works from "ready" until "stop".
 *
 * Does NOT promise: an end without "stop"; whoever started it kills it.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as rest } from "node:timers/promises";
import type { Cluster, ConnectOptions, Database } from "../../../actors/client/types.ts";
import { connect } from "../../../actors/mod.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { Dice } from "../dice.ts";
import { type ClientOptions, HistoryClient } from "./client.ts";

/** Its node has so long to start, and is asked so often, ms. */
const START_MS = 60_000;
const AGAIN_MS = 100;

/** What it is started with. */
export interface ChildWish extends ClientOptions {
  readonly connect: ConnectOptions;
  readonly database: string;
  readonly seed: number;
}

/** What it answers at the end. */
export interface ChildAnswer {
  readonly counts: HistoryClient["counts"];
  readonly whys: readonly (readonly [why: string, count: number])[];
}

/** Connects and opens the database; the node may just be starting. */
async function open(wish: ChildWish): Promise<{ cluster: Cluster; db: Database }> {
  const untilMs = performance.now() + START_MS;
  for (;;) {
    let cluster: Cluster | undefined;
    try {
      cluster = await connect(wish.connect);
      return { cluster, db: await cluster.attach(wish.database) };
    } catch (error) {
      await cluster?.close();
      if (!(error instanceof CtdbxError) || performance.now() > untilMs) throw error;
      await rest(AGAIN_MS);
    }
  }
}

async function main(text: string): Promise<void> {
  const wish = JSON.parse(text) as ChildWish;
  const { cluster, db } = await open(wish);
  const client = new HistoryClient(db, wish, new Dice(wish.seed));
  let work: Promise<void> | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "ready") {
      work = client.run();
      console.log("ready");
    }
    if (line !== "stop") continue;
    client.stop();
    await work;
    const answer: ChildAnswer = { counts: client.counts, whys: [...client.whys] };
    console.log(JSON.stringify(answer));
    break;
  }
  await cluster.close();
  process.exit(0);
}

if (import.meta.main) await main(process.argv[2] ?? "");
