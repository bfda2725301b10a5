// Messages between programs, by a number of 64 bits that both know.
import { connect } from "ctdbx";

const NEWS = 0x4e455753n;
await using cluster = await connect();
await using news = await cluster.listen(NEWS);
console.log("nodes that it went to:", await cluster.send("connected", NEWS, "hello") > 0);
for await (const item of news) {
  // "lost" tells of messages that are missing, "life" of a node that has begun anew.
  if (item.type !== "message") continue;
  const from = item.from.pnn === cluster.pnn ? "this node" : `node ${item.from.pnn}`;
  console.log(`"${new TextDecoder().decode(item.data)}" from ${from}`);
  break;
}
