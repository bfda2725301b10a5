/**
 * Data threads of real nodes: procedures of the configuration, watches, where a record is, and what monitors hear.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { shown, withData } from "./data_rig.ts";
import { eventually } from "./dev_rig.ts";

const test = suite("data threads of real nodes");

const PROCEDURES = `export const procedures = {
  "shout/1": (value: Uint8Array | undefined, args: Uint8Array) => {
    if (args.length === 0) throw new Error("nothing to shout");
    const words = new TextDecoder().decode(value) + new TextDecoder().decode(args).toUpperCase();
    return { value: words, result: String(words.length) };
  },
};
`;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test.either(
  "a procedure of the configuration runs in the daemon that has it, a watch and a monitor hear of it",
  limit(120_000, () =>
    withData(3, async (rig) => {
      const { dev } = rig;
      const path = join(dev.home, "shout.ts");
      writeFileSync(path, PROCEDURES);
      // At one node only: the record moves there, wherever it is.
      const { config } = dev.paths(1);
      writeFileSync(
        config,
        `procedures = [${JSON.stringify(path)}]\n${readFileSync(config, "utf8")}`,
      );
      await dev.ok("daemon stop", 1);
      await dev.ok("daemon start", 1);
      await dev.well();
      const [one, two] = [await rig.database(0, "visits"), await rig.database(1, "visits")];
      const told: string[] = [];
      const watch = two.watch("key");
      const listening = (async () => {
        for await (const change of watch) {
          told.push(change.type === "value" ? shown(change.value) : change.type);
          if (change.type === "value" && shown(change.value) === "HELLO WORLD") break;
        }
      })();
      await eventually("the first state", () => told.length > 0);
      await one.put("key", "HELLO");
      assert.is(shown(await two.call("key", "shout/1", bytes(" world"))), "11");
      await listening;
      assert.is(told[0], "-");
      const why = await two.call("key", "shout/1", bytes("")).catch((error: Error) =>
        error.message
      );
      assert.match(why as string, /nothing to shout/);
      assert.is(shown(await one.read("key")), "HELLO WORLD");
      const roles = [await one.where("key"), await two.where("key")]
        .map((where) => (where as { role: string }).role).sort();
      assert.is(roles.filter((role) => role === "owner").length, 1, roles.join());
      const items = await dev.ok("watch --topic databases --count 2 -o jsonl", 0);
      assert.match(items, /"databases":\[\{"name":"visits"/);
    })),
);

test.run();
