/**
 * The other process of traps.test.ts: plays one part on one file, and waits or dies.
 *
 *   wasm-past-end FILE | js-past-end FILE   maps, has the file cut, touches what is gone
 *   hold-mutex FILE OFFSET                  takes a mutex and never gives it back
 *
 * Does NOT promise: to end by itself.
 */

import { truncateSync } from "node:fs";
import process from "node:process";
import { threadMemory } from "../../assembly/host/memory.ts";
import { RealImageStore } from "../../transport/real_image.ts";

/** A module that imports the memory m.m (65535 pages) and exports f(address): i32.load8_u. */
const PEEK = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127],
  ...[2, 13, 1, 1, 109, 1, 109, 2, 1, 255, 255, 3, 255, 255, 3, 3, 2, 1, 0],
  ...[7, 5, 1, 1, 102, 0, 0, 10, 9, 1, 7, 0, 32, 0, 45, 0, 0, 11],
];

const [part, path = "", offset = "0"] = process.argv.slice(2);
const image = new RealImageStore().open(path);
const { memory, bytes } = threadMemory();

if (part === "hold-mutex") {
  console.log(image.tryMutex(Number(offset)));
  setInterval(() => {}, 1000);
} else {
  const module = new WebAssembly.Module(new Uint8Array(PEEK));
  const { f } = new WebAssembly.Instance(module, { m: { m: memory } }).exports;
  const peek = f as (address: number) => number;
  const gone = image.address + 8192;
  console.log("before", part === "js-past-end" ? bytes[gone] : peek(gone));
  truncateSync(path, 4096);
  try {
    console.log("after", part === "js-past-end" ? bytes[gone] : peek(gone));
  } catch (error) {
    console.log("caught", error instanceof WebAssembly.RuntimeError);
    image.refresh();
    console.log("refreshed", image.mapped, peek(gone));
    image.close();
  }
}
