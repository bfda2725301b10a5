// Calls go to the record, or the record comes here: what is better is found out for each record.
import { connect } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);

console.log("increment:", await db.increment("hits", 2), await db.increment("hits", -1));
console.log("append:", await db.append("log", "one "), await db.append("log", "two"));
console.log("log:", text(await db.read("log")));

console.log("set if empty:", await db.setIf("owner", "empty", "me"));
console.log("once more:", await db.setIf("owner", "empty", "you"));
console.log("swap:", await db.compareAndSwap("owner", "me", "you"));
console.log("owner:", text(await db.read("owner")));

for (const key of ["hits", "log", "owner"]) await db.delete(key);
