// One state of a database, read while it changes.
import { connect } from "ctdbx";

await using cluster = await connect();
const stock = await cluster.attach("stock", { type: "persistent" });
const text = (value?: Uint8Array) => value && new TextDecoder().decode(value);
await stock.transaction((tx) => {
  for (const fruit of ["apple", "pear"]) tx.put(fruit, "10");
});

await using then = await stock.snapshot({ latest: true });
const { seqnum = 0n, tries } = await stock.transaction((tx) => {
  tx.put("apple", "9");
  tx.del("pear");
});
console.log("committed:", seqnum > then.seqnum, tries);
const found: string[] = [];
for await (const { key, value } of then.entries()) found.push(`${text(key)} ${text(value)}`);
console.log("then:", found.sort().join(", "));
console.log("now:", text(await stock.read("apple")), text(await stock.read("pear")));
console.log("as new as can be:", await stock.seqnum({ latest: true }) >= seqnum);
