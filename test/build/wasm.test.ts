/**
 * The generated kernels are what assembly/ gives, and fit the Memory that the host makes for them.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernelsModule } from "../../build/wasm.ts";
import { KERNELS_WASM_BASE64 } from "../../assembly/host/kernels_wasm.ts";
import { MEMORY_BYTES, SCRATCH_START } from "../../assembly/host/memory.ts";

const bytes = Uint8Array.from(atob(KERNELS_WASM_BASE64), (char) => char.charCodeAt(0));

/** [start, end) of each active data segment; the sections of a module are id, length, content. */
function dataSegments(module: Uint8Array): [start: number, end: number][] {
  let at = 8;
  const leb = (isSigned = false): number => {
    let value = 0n;
    let shift = 0n;
    let byte = 0;
    do {
      byte = module[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
    } while (byte & 0x80);
    return Number(isSigned && byte & 0x40 ? BigInt.asIntN(Number(shift), value) : value);
  };
  while (at < module.length) {
    const id = module[at++];
    const length = leb();
    const end = at + length;
    if (id !== 11) {
      at = end;
      continue;
    }
    return Array.from({ length: leb() }, () => {
      assert.is(leb(), 0, "an active segment of memory 0");
      assert.is(module[at++], 0x41, "i32.const");
      const start = leb(true);
      assert.is(module[at++], 0x0b, "end");
      const size = leb();
      at += size;
      return [start, start + size] as [number, number];
    });
  }
  return [];
}

const wasm = suite("build/wasm");

wasm("the module imports the memory of the host, and nothing that aborts", () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
  assert.ok(
    imports.some(({ module, name, kind }) =>
      module === "env" && name === "memory" && kind === "memory"
    ),
  );
  assert.not.ok(
    imports.some(({ name }) => name === "abort" || name === "trace" || name === "seed"),
  );
});

wasm("a Memory of the host's size is the only one that fits", () => {
  const module = new WebAssembly.Module(bytes);
  const imports: Record<string, WebAssembly.ImportValue> = {};
  for (const { name, kind } of WebAssembly.Module.imports(module)) {
    if (kind === "function") imports[name] = () => 0;
  }
  const pages = MEMORY_BYTES / 65536;
  imports["memory"] = new WebAssembly.Memory({ initial: 1, maximum: pages });
  assert.throws(() => new WebAssembly.Instance(module, { env: imports }), /memory/i);
});

wasm("static data lie between 1 KiB and the host's scratch", () => {
  const segments = dataSegments(bytes);
  assert.ok(segments.length > 0, "the checksum tables at least");
  for (const [start, end] of segments) {
    assert.ok(start >= 1024, `starts at ${start}`);
    assert.ok(end <= SCRATCH_START, `ends at ${end}`);
  }
});

wasm("the generated text carries the bytes unchanged, in short lines", () => {
  const odd = Uint8Array.from({ length: 1000 }, (_, index) => index * 7 & 255);
  const text = kernelsModule(odd);
  const joined = [...text.matchAll(/^ {2}"([^"]*)"/gm)].map((match) => match[1]).join("");
  assert.equal([...Uint8Array.from(atob(joined), (char) => char.charCodeAt(0))], [...odd]);
  assert.ok(text.split("\n").every((line) => line.length <= 120));
});

wasm.run();
