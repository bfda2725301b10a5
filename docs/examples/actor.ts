// A record as an object: its methods run where it is, one after the other.
import { connect } from "ctdbx";

class Basket {
  static readonly version = 1;
  items: Record<string, number> = {};

  add(item: string, count: number): number {
    if (count < 1) throw new RangeError("nothing to add");
    this.items[item] = (this.items[item] ?? 0) + count;
    return this.items[item];
  }

  total(): number {
    return Object.values(this.items).reduce((sum, count) => sum + count, 0);
  }
}

await using cluster = await connect();
const basket = cluster.actor(Basket, "basket 1", { database: "guide" });
console.log("apples:", await basket.add("apples", 2), "pears:", await basket.add("pears", 3));
console.log("total:", await basket.total());
await basket.add("plums", 0).catch((error) => console.log("refused:", error.message));
await (await cluster.attach("guide")).delete("basket 1");
