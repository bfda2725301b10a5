// All records of the cluster, wherever they are.
import { connect } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");
for (let index = 0; index < 12; index++) await db.put(`sensor/${index}`, `${20 + index} C`);

const found: string[] = [];
for await (const { key, value } of db.traverse({ prefix: "sensor/1" })) {
  found.push(`${new TextDecoder().decode(key)}: ${new TextDecoder().decode(value)}`);
}
console.log(found.sort().join("\n"));
console.log("all:", await db.count({ prefix: "sensor/" }));
for (let index = 0; index < 12; index++) await db.delete(`sensor/${index}`);
