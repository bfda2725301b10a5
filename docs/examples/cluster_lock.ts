// One program at a time in the whole cluster, and a token that tells the present one from those before it.
import { connect } from "ctdbx";

await using cluster = await connect();
/** What a store does that all of them write to: it refuses whoever has an older token than it has seen. */
const store = { seen: "", write: (token: string) => token >= store.seen && !!(store.seen = token) };

const tokens: string[] = [];
for (const job of ["report", "backup"]) {
  // Others wait here until the block ends, or this program, or its node.
  await using lock = await cluster.lock("nightly", { timeoutMs: 5000 });
  lock.signal.addEventListener("abort", () => console.log("stop: the lock is lost"));
  console.log(`${job}:`, store.write(lock.token.text) ? "done" : "refused");
  tokens.push(lock.token.text);
}
console.log("whoever had it before:", store.write(tokens[0] ?? "") ? "done" : "refused");

const readers = [await cluster.lock("index", { mode: "shared" })];
readers.push(await cluster.lock("index", { mode: "shared" }));
console.log("shared by:", readers.length);
console.log("for one alone:", await cluster.tryLock("index") ? "had" : "others have it");
for await (const { name, holders } of cluster.locks()) console.log(`${name}: ${holders.length}`);
for (const reader of readers) await reader.release();
