/**
 * What all bodies of frames are tested with: values of a kind, written, read again, and damaged.
 *
 * Does NOT promise: that damage is found; only that it does no harm.
 */

import fc from "fast-check";
import type { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FrameBody } from "../../../../transport/wire/client/frames.ts";
import { FrameReader, FrameWriter } from "../../../../transport/wire/client/frames.ts";
import { halved } from "../../../limit.ts";

/** Values of all kinds. */
export const bytes = fc.uint8Array({ maxLength: 300 });
export const key = fc.uint8Array({ minLength: 1, maxLength: 300 });
export const u32 = fc.nat({ max: 0xffff_ffff });
export const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
export const text = fc.string({ maxLength: 100, unit: "binary" }).map((value) =>
  value.toWellFormed()
);

/** A kind of frame: what goes in, how it is written, how it is read. */
export interface Form<T> {
  readonly value: fc.Arbitrary<T>;
  readonly write: (writer: FrameWriter, value: T) => void;
  readonly read: (body: FrameBody) => unknown;
}

/** Without its type. */
export function form<T>(made: Form<T>): Form<unknown> {
  return made as unknown as Form<unknown>;
}

/** What is written, as bytes. */
export function written(write: (writer: FrameWriter) => void): Uint8Array {
  const writer = new FrameWriter();
  write(writer);
  return writer.take().slice();
}

/** Copies what lies in place, and leaves out prototypes. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

/** A test for each kind. */
export function testForms(
  test: ReturnType<typeof suite>,
  forms: Readonly<Record<string, Form<unknown>>>,
): void {
  for (const [name, { value, write, read }] of Object.entries(forms)) {
    test(`${name}: what is written is read again; shortened or changed bytes give an error or something else`, () => {
      fc.assert(
        fc.property(value, fc.nat(), fc.nat({ max: 255 }), (wanted, place, byte) => {
          const frame = written((writer) => write(writer, wanted));
          let found: unknown;
          new FrameReader((_kind, id, body) => {
            assert.is(id, 7);
            found = plain(read(body));
            assert.is(body.left, 0);
          }).add(frame);
          assert.equal(found, plain(wanted));
          const odd = frame.slice();
          odd[9 + place % Math.max(1, odd.length - 9)] = byte;
          for (
            const hostile of [
              odd,
              written((w) =>
                w.begin(1, 7).bytes(frame.subarray(9, 9 + place % frame.length)).end()
              ),
            ]
          ) {
            try {
              new FrameReader((_kind, _id, body) => void read(body)).add(hostile);
            } catch (error) {
              assert.ok(error instanceof RangeError, String(error));
            }
          }
        }),
        halved({ numRuns: 200 }),
      );
    });
  }
}
