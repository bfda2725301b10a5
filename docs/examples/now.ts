// The fast way: in place, in the node's own file, without a promise, while the record is here.
import { connect } from "ctdbx";

await using cluster = await connect();
const db = await cluster.attach("guide");
const key = new TextEncoder().encode("fast");
await db.put(key, new Uint8Array(8));

let done = 0;
while (done < 10_000) {
  const here = db.updateNow(key, (value, draft) => {
    const number = new DataView(value.bytes.buffer).getBigUint64(value.valueOffset, true);
    new DataView(draft.buffer, draft.byteOffset).setBigUint64(0, number + 1n, true);
    return 8;
  });
  // It is elsewhere, or just wanted elsewhere: `update` gets it here, and does the same.
  if (!here) await db.update(key, (value) => next(value ?? new Uint8Array(8)));
  done++;
}

function next(value: Uint8Array): Uint8Array {
  const copy = value.slice();
  const view = new DataView(copy.buffer);
  view.setBigUint64(0, view.getBigUint64(0, true) + 1n, true);
  return copy;
}

const value = await db.read(key) ?? new Uint8Array(8);
console.log(`counted to ${new DataView(value.buffer, value.byteOffset).getBigUint64(0, true)}`);
await db.delete(key);
