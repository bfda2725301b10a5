/**
 * A real node whose folder of databases cannot be written: it stays a member with its vote, says what is wrong, and
 * serves by itself when the reason has gone.
 */

import { renameSync, rmSync, writeFileSync } from "node:fs";
import * as assert from "uvu/assert";
import type { StatusRow } from "../../cli/commands/db_fields.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { withData } from "./data_rig.ts";
import { eventually } from "./dev_rig.ts";

const test = sharedSuite("a node without files of databases");
const NAME = "visits";

test(
  "the node stays in the view, is unhealthy with the reason, and recovers when the folder is there again",
  limit(90_000, () =>
    withData(3, async ({ dev }) => {
      const folder = `${dev.paths(1).state}/volatile`;
      // A file where the folder must be: that works for root, too.
      renameSync(folder, `${folder}.away`);
      writeFileSync(folder, "");
      await dev.ok(["db", "attach", NAME]);
      await eventually("node 1 says that it is not well", async () => {
        const { condition, why } = await dev.node(1);
        return condition === "unhealthy" && /visits has no file/.test(why ?? "");
      });
      const { out } = await dev.run("cluster explain");
      assert.match(out, /n1 has no file for visits/);
      // Without another voter, nothing is decided but with this one's vote.
      await dev.ok("daemon stop", 2);
      await dev.ok("db attach another");
      assert.is((await dev.node(1)).isMember, true);
      rmSync(folder);
      await eventually("node 1 has its files, and is well", async () => {
        const rows = await dev.json<readonly StatusRow[]>("db status", 1);
        return rows.every(({ why }) => why == null) && (await dev.node(1)).condition === "ok";
      });
      await dev.ok("daemon start", 2);
    })),
);

test.run();
