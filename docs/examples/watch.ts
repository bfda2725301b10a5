// Follows records while somebody changes them.
import { connect } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");
await db.put("light/hall", "off");
const changes = db.watch({ prefix: "light/" });
let seen = 0;
for await (const change of changes) {
  // "again": changes may be missing here; what matters is to be read anew.
  if (change.type === "again") continue;
  const key = new TextDecoder().decode(change.key);
  console.log(`${key}:`, change.value ? new TextDecoder().decode(change.value) : "deleted");
  seen++;
  if (seen === 1) await db.put("light/hall", "on");
  if (seen === 2) await db.delete("light/hall");
  if (seen === 3) break;
}
