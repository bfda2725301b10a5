/**
 * How many bytes a message takes on the bus: its subject, its envelope and itself, as CBOR with plain maps.
 *
 * Counted, not encoded: a simulation sends millions.
 *
 * Does NOT promise: the bytes that NATS and TCP add; they are the same for every message.
 */

/** Bytes of a subject as the cluster's are, and of the body's own head in the envelope. */
const SUBJECT_BYTES = 52;
/** An envelope as it is around every message; kind and body come on top. */
const ENVELOPE = {
  v: 1,
  cluster: "0".repeat(32),
  from: "0".repeat(32),
  gen: 1n << 40n,
  stamp: 1n << 30n,
  id: 1n << 30n,
};

/** Bytes of a message with all that goes with it. */
export function busBytesOf(message: { readonly kind: string }): number {
  const { kind, ...body } = message;
  const bodyBytes = cborBytesOf(body);
  return SUBJECT_BYTES + cborBytesOf({ ...ENVELOPE, kind, body: "" }) + headBytes(bodyBytes) - 1 +
    bodyBytes;
}

/** Bytes of a value as CBOR; fields that are undefined are left out. */
export function cborBytesOf(value: unknown): number {
  switch (typeof value) {
    case "boolean":
      return 1;
    case "bigint":
      return intBytes(value);
    case "number":
      return Number.isSafeInteger(value) ? intBytes(BigInt(value)) : 9;
    case "string": {
      const bytes = utf8Bytes(value);
      return headBytes(bytes) + bytes;
    }
  }
  if (value === null) return 1;
  if (Array.isArray(value)) {
    return value.reduce<number>((sum, one) => sum + cborBytesOf(one), headBytes(value.length));
  }
  const fields = Object.entries(value as object).filter(([, field]) => field !== undefined);
  return fields.reduce(
    (sum, [name, field]) => sum + cborBytesOf(name) + cborBytesOf(field),
    headBytes(fields.length),
  );
}

function intBytes(value: bigint): number {
  const size = value < 0n ? -value - 1n : value;
  if (size > 0xffff_ffffn) return 9;
  return headBytes(Number(size));
}

/** Bytes of a CBOR head that holds this number. */
function headBytes(size: number): number {
  if (size < 24) return 1;
  if (size < 256) return 2;
  return size < 65536 ? 3 : 5;
}

function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
