// The same over NATS alone: no node on this machine, no files, no FFI.
import process from "node:process";
import { connect } from "ctdbx";

const [server = "127.0.0.1:4222", keyFile = ""] = process.argv.slice(2);
await using cluster = await connect({
  servers: [server],
  cluster: "dev",
  ...keyFile === "" ? {} : { keyFile },
});
const visits = await cluster.attach("visits");
console.log(`over ${cluster.way}: ${await visits.increment("front page")} visits`);
