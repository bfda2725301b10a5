/** The longest keys and values of a clustered database (promise 13): max - 1, max, max + 1, at two nodes. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KEY_MAX, VALUE_MAX } from "../../transport/wire/limits.ts";
import { limit } from "../limit.ts";
import { withData } from "./data_rig.ts";

const test = suite("limits of clustered records");
const NAME = "limits";

test.either(
  "keys and values of max - 1 and max go round the nodes; longer ones are refused with the limit",
  limit(90_000, () =>
    withData(3, async (rig) => {
      const here = await rig.database(0, NAME);
      const there = await rig.database(1, NAME);
      for (const length of [1, KEY_MAX - 1, KEY_MAX]) {
        const key = new Uint8Array(length).fill(107);
        await here.put(key, "v");
        assert.is(new TextDecoder().decode(await there.read(key)), "v", `key of ${length}`);
      }
      for (const length of [VALUE_MAX - 1, VALUE_MAX]) {
        const value = new Uint8Array(length);
        for (let at = 0; at < length; at += 4099) value[at] = at;
        await here.put("large", value);
        // It moves to the other node and back.
        const found = await there.update("large", (before) => {
          const next = before?.slice();
          next?.fill(7, 0, 1);
          return next;
        });
        assert.is(found?.length, length);
        value[0] = 7;
        assert.equal(await here.read("large"), value);
      }
      const long = new Uint8Array(KEY_MAX + 1);
      for (const db of [here, there]) {
        const large = () => db.put("large", new Uint8Array(VALUE_MAX + 1));
        for (const work of [large, () => db.put(long, "v"), () => db.read(long)]) {
          const error = await work().then(() => undefined, (caught: Error) => caught);
          assert.is((error as { code?: string } | undefined)?.code, "limit", String(error));
          assert.match(error?.message ?? "", new RegExp(`${KEY_MAX}|${VALUE_MAX}|16 MiB`));
        }
        // An append that would make it longer is refused where it is executed.
        const error = await db.append("large", "x").catch((caught: Error) => caught);
        assert.instance(error, Error);
      }
      assert.is((await there.read("large"))?.length, VALUE_MAX);
    })),
);

test.run();
