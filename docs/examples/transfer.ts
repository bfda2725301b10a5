// Money: what is not to be lost, and what must change together.
import { connect, TransactionError } from "ctdbx";

await using cluster = await connect();
const bank = await cluster.attach("bank", { type: "persistent", replicas: 3 });
const number = (value?: Uint8Array) => Number(value ? new TextDecoder().decode(value) : 0);

/** Moves money from one to another, or not at all. Answers whether it did. */
async function transfer(from: string, to: string, sum: number): Promise<boolean> {
  try {
    await bank.transaction(async (tx) => {
      const [has = 0, gets = 0] = (await Promise.all([tx.get(from), tx.get(to)])).map(number);
      if (has < sum) throw new RangeError(`${from} has ${has} only`);
      tx.put(from, `${has - sum}`);
      tx.put(to, `${gets + sum}`);
    });
    return true;
  } catch (error) {
    // Once, or not at all: its fate is decided, and then known for good.
    if (!(error instanceof TransactionError) || error.txid === undefined) throw error;
    if (error.outcome === "aborted") throw error;
    return (await bank.fate(error.txid, { finalize: true })).state === "committed";
  }
}

await bank.transaction((tx) => {
  tx.put("ann", "100");
  tx.put("bob", "0");
});
const moved = await Promise.all([10, 20, 30].map((sum) => transfer("ann", "bob", sum)));
console.log("moved:", moved.join(" "));
console.log("ann:", number(await bank.read("ann")), "bob:", number(await bank.read("bob")));
await transfer("ann", "bob", 1000).catch((error) => console.log("refused:", error.message));
