// A record that is held while something else takes its time.
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");
{
  // All others wait for this record until the block ends.
  await using lock = await db.fetchLock("door", { timeoutMs: 5000 });
  console.log("was:", lock.value && new TextDecoder().decode(lock.value));
  await sleep(10);
  await lock.store("open");
}
console.log("is:", new TextDecoder().decode(await db.read("door")));
await db.delete("door");
