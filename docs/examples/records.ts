// What can be done with one record.
import { connect, KEEP } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);

await db.put("name", "Ada");
console.log("read:", text(await db.read("name")));

// Reads, changes and stores as one; nobody else's change comes between.
await db.update("name", (value) => `${text(value)} Lovelace`);
console.log("updated:", text(await db.read("name")));

// KEEP leaves it as it is, undefined deletes it.
await db.update("name", (value) => value === undefined ? "nobody" : KEEP);
console.log("kept:", text(await db.read("name")));
await db.delete("name");
console.log("deleted:", text(await db.read("name")));
