// Beside a node, but without its files: the daemon is asked for everything. No FFI is needed.
import { connect } from "ctdbx";

await using cluster = await connect({ mapped: false });
const db = await cluster.attach("guide");
await db.put("plain", "as any other");
console.log(new TextDecoder().decode(await db.read("plain")));
await db.delete("plain");
