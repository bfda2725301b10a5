/**
 * Messages between programs, without a bus: the layout beside cbor-x, and two whole machines with their bytes.
 *
 *   bun test/bench/messages.ts [ROUNDS]        deno run -A test/bench/messages.ts
 *
 *   encode, decode   batches of 256 messages of 100 bytes, and of one: the layout | cbor-x with the codec's options
 *   one way          program ─▶ machine ─▶ bytes ─▶ machine ─▶ program, acknowledgements and reading included
 *   ring of one      the same, one message at a time, there and back
 *
 * A round runs every contestant once, the best of the rounds counts; all results are compared, their hash is printed.
 *
 * Does NOT promise: what a real node does; there is the bus between.
 */

import { createHash } from "node:crypto";
import process from "node:process";
import { Decoder, Encoder } from "cbor-x/encode";
import type { MessageEffect, PeerNode } from "../../actors/machines/messages/events.ts";
import { itemBytes } from "../../actors/machines/messages/events.ts";
import { MessageMachine } from "../../actors/machines/messages/machine.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import type { ProgramEntry } from "../../transport/wire/program_layout.ts";
import { ENTRY, ProgramReader, ProgramWriter } from "../../transport/wire/program_layout.ts";
import type { ClusterId, Incarnation, NodeId, Pnn } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";

const CLUSTER = "c".repeat(32) as ClusterId;
const IDS = ["1", "2"].map((digit) => digit.repeat(32) as NodeId);
const LIFE = 5n as Incarnation;
const SRVID = 0xae00_0000_0000_2000n;
const BYTES = 100;
const RECEIVER = { pnn: 1 as Pnn, incarnation: LIFE, seq: 1 };

/** A line of the table. */
export interface MessageRow {
  readonly name: string;
  /** Thousand messages a second, best of the rounds. */
  readonly layout: number;
  readonly cbor?: number;
}

function entries(count: number): ProgramEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const data = new Uint8Array(BYTES).fill(i & 0xff);
    return { kind: ENTRY.whole, srvid: SRVID + BigInt(i % 7), program: 1 + i % 5, value: 0, data };
  });
}

/** The layout, as a pair of functions. */
function layout(): Coding {
  const writer = new ProgramWriter(CLUSTER, IDS[0]!);
  const reader = new ProgramReader(CLUSTER);
  const tag = tagOf(IDS[0]!);
  return {
    encode: (batch) => writer.write(LIFE, [RECEIVER], batch),
    decode: (bytes) => {
      const result = reader.read(bytes, tag, RECEIVER.pnn);
      if (result === undefined || isRefusal(result)) throw new Error("refused");
      return result.entries;
    },
  };
}

/** cbor-x with the options of the codec, an envelope around, and no checks at all. */
function cbor(): Coding {
  const options = {
    useRecords: false,
    mapsAsObjects: true,
    variableMapSize: true,
    tagUint8Array: false,
  };
  const encoder = new Encoder(options);
  const decoder = new Decoder({ ...options, copyBuffers: false } as typeof options);
  const head = { v: 2, cluster: CLUSTER, from: IDS[0]!, incarnation: LIFE };
  return {
    encode: (batch) => encoder.encode({ ...head, receivers: [RECEIVER], entries: batch }),
    decode: (bytes) => (decoder.decode(bytes) as { entries: ProgramEntry[] }).entries,
  };
}

interface Coding {
  encode(batch: readonly ProgramEntry[]): Uint8Array;
  decode(bytes: Uint8Array): readonly ProgramEntry[];
}

/** Two nodes in one thread, whose publications go as bytes from one to the other. */
class Pair {
  readonly #machines: MessageMachine[];
  readonly #writers = IDS.map((id) => new ProgramWriter(CLUSTER, id));
  readonly #readers = IDS.map(() => new ProgramReader(CLUSTER));
  readonly #tags = IDS.map((id) => tagOf(id));
  #nowMs = 1;
  got = 0;

  constructor() {
    this.#machines = IDS.map((self) => new MessageMachine({ self }));
    const peers = IDS.map((nodeId, pnn): PeerNode => (
      { nodeId, pnn: pnn as Pnn, incarnation: LIFE, isMember: true }
    ));
    for (const pnn of IDS.keys()) {
      this.tell(pnn, { type: "life", pnn: pnn as Pnn, incarnation: LIFE });
      this.tell(pnn, { type: "peers", peers });
      this.tell(pnn, { type: "program", program: 1, pid: 1, uniqueId: 1n });
      this.tell(pnn, { type: "register", askId: 1, program: 1, srvid: SRVID });
    }
  }

  tell(node: number, event: Parameters<MessageMachine["step"]>[0]): void {
    for (const effect of this.#machines[node]!.step(event, this.#nowMs)) {
      this.#perform(node, effect);
    }
  }

  #perform(node: number, effect: MessageEffect): void {
    const other = 1 - node;
    switch (effect.type) {
      case "publish": {
        const { incarnation, receivers, entries } = effect;
        // The bus makes a copy.
        const bytes = this.#writers[node]!.write(incarnation, receivers, entries).slice();
        const result = this.#readers[other]!.read(bytes, this.#tags[node]!, other as Pnn);
        if (result === undefined || isRefusal(result)) throw new Error("refused");
        this.tell(other, { type: "data", publication: result });
        return this.tell(other, { type: "turn" });
      }
      case "tell":
        return this.tell(other, { type: "message", from: IDS[node]!, message: effect.message });
      case "deliver": {
        this.got += effect.items.length;
        const bytes = effect.items.reduce((sum, item) => sum + itemBytes(item), 0);
        const { length: count } = effect.items;
        return this.tell(node, { type: "took", program: effect.program, count, bytes });
      }
    }
  }

  send(node: number, data: Uint8Array): void {
    const to = IDS[1 - node]!;
    this.tell(node, { type: "send", askId: 0, program: 1, to, srvid: SRVID, data });
  }

  /** The turn is over. */
  turn(node: number): void {
    this.#nowMs += 0.1;
    this.tell(node, { type: "turn" });
  }
}

/** Messages per millisecond. */
function rate(run: () => void, passes: number, messages: number): number {
  const start = performance.now();
  for (let pass = 0; pass < passes; pass++) run();
  return passes * messages / (performance.now() - start);
}

function sameEntries(one: readonly ProgramEntry[], other: readonly ProgramEntry[]): boolean {
  const text = (all: readonly ProgramEntry[]) =>
    all.map(({ srvid, data, kind, program }) => `${srvid} ${kind} ${program} ${data.join()}`)
      .join();
  return text(one) === text(other);
}

/** Measures everything, `rounds` times. `digest`: hash of the bytes of the layout. */
export function measureMessages(
  rounds: number,
  passes = 400,
): { rows: MessageRow[]; digest: string } {
  const hash = createHash("md5");
  const rows: MessageRow[] = [];
  for (const count of [256, 1]) {
    const batch = entries(count);
    const codings = [layout(), cbor()];
    const bytes = codings.map((coding) => coding.encode(batch).slice());
    for (const [at, coding] of codings.entries()) {
      if (!sameEntries(coding.decode(bytes[at]!), batch)) throw new Error("they disagree");
    }
    hash.update(bytes[0]!);
    const times = count === 1 ? passes * 50 : passes;
    const best = [0, 0, 0, 0];
    for (let round = 0; round < rounds; round++) {
      for (const [at, coding] of codings.entries()) {
        const encode = rate(() => coding.encode(batch), times, count);
        const decode = rate(() => coding.decode(bytes[at]!), times, count);
        best[at] = Math.max(best[at]!, encode);
        best[2 + at] = Math.max(best[2 + at]!, decode);
      }
    }
    rows.push({ name: `encode, ${count} a batch`, layout: best[0]!, cbor: best[1]! });
    rows.push({ name: `decode, ${count} a batch`, layout: best[2]!, cbor: best[3]! });
  }
  rows.push(...machineRows(rounds, passes));
  return { rows, digest: hash.digest("hex") };
}

function machineRows(rounds: number, passes: number): MessageRow[] {
  const data = new Uint8Array(BYTES);
  const pair = new Pair();
  let sent = 0;
  const oneWay = (): void => {
    for (let i = 0; i < 256; i++) pair.send(0, data);
    pair.turn(0);
    sent += 256;
  };
  const ring = (): void => {
    for (const node of [0, 1]) {
      pair.send(node, data);
      pair.turn(node);
    }
    sent += 2;
  };
  const best = [0, 0];
  for (let round = 0; round < rounds; round++) {
    best[0] = Math.max(best[0]!, rate(oneWay, passes, 256));
    best[1] = Math.max(best[1]!, rate(ring, passes * 20, 2));
  }
  if (pair.got !== sent) throw new Error(`${pair.got} of ${sent} messages came`);
  return [{ name: "one way, 256 a turn", layout: best[0]! }, {
    name: "ring of one",
    layout: best[1]!,
  }];
}

function main(): void {
  const { rows, digest } = measureMessages(Number(process.argv[2] ?? 7));
  console.log("thousand messages/s        layout    cbor-x   ratio");
  for (const { name, layout, cbor } of rows) {
    const other = cbor === undefined ? "" : cbor.toFixed(0);
    const ratio = cbor === undefined ? "" : (layout / cbor).toFixed(1);
    console.log(
      `${name.padEnd(24)} ${layout.toFixed(0).padStart(8)}  ${other.padStart(8)}  ${
        ratio.padStart(6)
      }`,
    );
  }
  console.log(`bytes ${digest}`);
}

if (import.meta.main) main();
