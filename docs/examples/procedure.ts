// Work of one's own that runs at the record, under its lock.
import { connect } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");
await using _ = await cluster.procedure("highest", 1, (value, args) => {
  const [old = 0, mine = 0] = [value, args].map((bytes) => Number(new TextDecoder().decode(bytes)));
  const best = Math.max(old, mine);
  return { value: String(best), result: mine >= old ? "a new record" : `${best} was higher` };
});
for (const score of ["40", "70", "60"]) {
  const said = await db.call("score", "highest/1", new TextEncoder().encode(score));
  console.log(`${score}:`, new TextDecoder().decode(said));
}
await db.delete("score");
