// Ok, failed, unknown: what to do about each.
import { connect, CtdbxError } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");

/** Stores a mark once, whatever happens: a compare-and-swap can be repeated, its value tells whether it was done. */
async function claim(key: string, mark: string): Promise<boolean> {
  for (;;) {
    try {
      if (await db.compareAndSwap(key, undefined, mark, { timeoutMs: 2000 })) return true;
      const value = await db.read(key);
      return value !== undefined && new TextDecoder().decode(value) === mark;
    } catch (error) {
      // Done once, or not at all: asking again finds out. Any other code: certainly not done.
      if (!(error instanceof CtdbxError) || error.code !== "unknown") throw error;
    }
  }
}

console.log("claimed:", await claim("job 7", "worker A"));
console.log("again:", await claim("job 7", "worker A"));
console.log("by another:", await claim("job 7", "worker B"));
try {
  await db.put("k".repeat(70_000), "too long a key");
} catch (error) {
  if (error instanceof CtdbxError) console.log("failed:", error.code);
}
await db.delete("job 7");
