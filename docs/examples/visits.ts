// Counts a visit of each page that is named, and says how many it has had.
import process from "node:process";
import { connect } from "ctdbx";

await using cluster = await connect();
const visits = await cluster.attach("visits");
for (const page of process.argv.slice(2)) {
  const count = await visits.increment(page);
  console.log(`${page}: ${count} visits, says ${cluster.name}`);
}
