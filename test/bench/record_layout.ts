/**
 * Batches about records as bytes: their layout beside cbor-x with the codec's options and no checks at all.
 *
 *   bun test/bench/record_layout.ts [ROUNDS]        deno run -A test/bench/record_layout.ts
 *
 *   req, call, call_done, grant (100 bytes)      64 in a batch, and one
 *
 * A round runs every contestant once, the best of the rounds counts; all results are compared, the hash of the layout's
 * bytes is printed.
 *
 * Does NOT promise: what a node does; there are the machine and the bus between.
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { Decoder, Encoder } from "cbor-x/encode";
import { isRefusal } from "../../transport/wire/envelope.ts";
import { RecordReader, RecordWriter } from "../../transport/wire/record_layout.ts";
import type { RecordBatch } from "../../transport/wire/record_layout.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";

const CLUSTER = "c".repeat(32) as ClusterId;
const SENDER = "1".repeat(32) as NodeId;
const TAG = tagOf(SENDER);
const GEN = (77n << 32n) + 5n;

/** A line of the table: nanoseconds for a message, best of the rounds. */
export interface LayoutRow {
  readonly name: string;
  readonly writeNs: number;
  readonly readNs: number;
  readonly cborWriteNs: number;
  readonly cborReadNs: number;
}

type Batch = Omit<RecordBatch, "from">;

const tid = (seq: number) => ({ gen: GEN, seq });
const life = (pnn: number) => ({ pnn, incarnation: 5n });
const copy = (bytes: number) => ({
  tid: tid(4),
  rsn: 9n,
  birth: tid(1),
  data: new Uint8Array(bytes).fill(7),
  calls: [{ origin: life(2), seq: 3, ok: true, result: new Uint8Array(8) }],
});

/** A message of a kind about one of many keys. */
const MESSAGES: Readonly<Record<string, (key: string, i: number) => object>> = {
  req: (key, i) => ({ kind: "req", key, slotGen: GEN, rid: i }),
  call: (key, i) => {
    const about = { kind: "call", key, slotGen: GEN, seq: i, birth: tid(3), procedure: "incr" };
    return { ...about, args: new Uint8Array(8), origin: life(1), path: "hint" };
  },
  call_done: (key, seq) => {
    const result = new Uint8Array(8);
    return { kind: "call_done", key, seq, ok: true, result, copy: copy(8) };
  },
  grant: (key, rid) => {
    return { kind: "grant", key, slotGen: GEN, tid: tid(7), rid, copy: copy(100) };
  },
};

function batchOf(kind: string, count: number): Batch {
  const make = MESSAGES[kind];
  const messages = Array.from({ length: count }, (_, i) => make?.(`key-${100_000 + i}`, i));
  const head = { dbId: 1, since: GEN, generation: GEN, by: life(1), to: life(2) };
  return { ...head, messages } as unknown as Batch;
}

interface Coding {
  write(batch: Batch): Uint8Array;
  read(bytes: Uint8Array): Batch;
}

function layout(): Coding {
  const writer = new RecordWriter(CLUSTER, SENDER, 1n);
  const reader = new RecordReader(CLUSTER);
  return {
    write: (batch) => writer.write(batch)[0] ?? new Uint8Array(),
    read: (bytes) => {
      const result = reader.read(bytes, TAG, 0);
      if (result === undefined || isRefusal(result)) throw new Error("refused");
      return result;
    },
  };
}

function cbor(): Coding {
  const options = {
    useRecords: false,
    mapsAsObjects: true,
    variableMapSize: true,
    tagUint8Array: false,
  };
  const encoder = new Encoder(options);
  const decoder = new Decoder({ ...options, copyBuffers: false } as typeof options);
  const head = { v: 2, cluster: CLUSTER, from: SENDER };
  return {
    write: (batch) => encoder.encode({ ...head, ...batch }),
    read: (bytes) => decoder.decode(bytes) as Batch,
  };
}

/** The same text for the same content, whatever the order of its fields and the type of its numbers. */
function textOf({ messages }: Batch): string {
  return messages.map(plainText).join();
}

function plainText(part: unknown): string {
  if (part instanceof Uint8Array) return `<${part.join()}>`;
  if (Array.isArray(part)) return `[${part.map(plainText).join()}]`;
  if (typeof part !== "object" || part === null) return `${part}`;
  return Object.entries(part).map(([name, value]) => `${name}:${plainText(value)}`).sort().join();
}

/** Nanoseconds for one message. */
function nsOf(run: () => unknown, passes: number, messages: number): number {
  const start = performance.now();
  for (let pass = 0; pass < passes; pass++) run();
  return (performance.now() - start) * 1e6 / (passes * messages);
}

/** Measures everything, `rounds` times. `digest`: hash of the bytes of the layout. */
export function measureLayout(
  rounds: number,
  messages = 20_000,
): { rows: LayoutRow[]; digest: string } {
  const hash = createHash("md5");
  const rows: LayoutRow[] = [];
  const codings = [layout(), cbor()] as const;
  for (const kind of Object.keys(MESSAGES)) {
    for (const count of [64, 1]) {
      const batch = batchOf(kind, count);
      const bytes = codings.map((coding) => coding.write(batch).slice());
      for (const [at, coding] of codings.entries()) {
        const back = coding.read(bytes[at] ?? new Uint8Array());
        if (textOf(back) !== textOf(batch)) throw new Error(`they disagree about ${kind}`);
      }
      hash.update(bytes[0] ?? "");
      const passes = Math.ceil(messages / count);
      const best = [Infinity, Infinity, Infinity, Infinity];
      const keep = (at: number, ns: number) => best[at] = Math.min(best[at] ?? ns, ns);
      for (let round = 0; round < rounds; round++) {
        for (const [at, coding] of codings.entries()) {
          const own = bytes[at] ?? new Uint8Array();
          keep(2 * at, nsOf(() => coding.write(batch), passes, count));
          keep(2 * at + 1, nsOf(() => coding.read(own), passes, count));
        }
      }
      const [writeNs = 0, readNs = 0, cborWriteNs = 0, cborReadNs = 0] = best;
      rows.push({ name: `${kind}, ${count}`, writeNs, readNs, cborWriteNs, cborReadNs });
    }
  }
  return { rows, digest: hash.digest("hex") };
}

function main(): void {
  const { rows, digest } = measureLayout(Number(process.argv[2] ?? 7));
  console.log("ns for a message        write   cbor-x  ratio     read   cbor-x  ratio");
  for (const { name, writeNs, readNs, cborWriteNs, cborReadNs } of rows) {
    const one = [writeNs.toFixed(0).padStart(8), cborWriteNs.toFixed(0).padStart(8)];
    const other = [readNs.toFixed(0).padStart(8), cborReadNs.toFixed(0).padStart(8)];
    const ratios = [cborWriteNs / writeNs, cborReadNs / readNs].map((one) =>
      one.toFixed(1).padStart(6)
    );
    console.log(
      `${name.padEnd(20)} ${one.join(" ")} ${ratios[0]} ${other.join(" ")} ${ratios[1]}`,
    );
  }
  console.log(`bytes ${digest}`);
}

if (import.meta.main) main();
