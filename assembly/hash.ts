/**
 * The two hash functions of TDB files, for one key and for a table of keys.
 *
 * A key's hash chooses its chain (hash mod hash_size) and is stored in full beside the record, so
 * it must be equal bit for bit to what other programs computed. Both read bytes unsigned and give
 * the same on any machine.
 *
 *   batch:  pairs  | address u32 | length u32 | address u32 | length u32 | ...     (in)
 *           out    | hash u32    | hash u32   | ...                                (out)
 *
 * Not one byte beyond `length` is read: a key may end where a mapped file ends.
 * Does NOT promise: any check of its arguments (the caller owns address + length <= memory), nor a
 * defence against keys chosen to collide: neither function has a secret.
 *
 * Upstream: Bob Jenkins' lookup3 (public domain) and TDB's first hash, from their descriptions.
 */

/** Bytes of one {address, length} pair of a batch. */
const PAIR_SIZE: usize = 8;
/** Length of the period of the old hash's shifts, 5*i mod 24. */
const PERIOD: u32 = 24;

/**
 * 1 << (5*i mod 24) for i = 0..23: shifting byte i is multiplying by weight i, and a multiplication
 * can take another factor in every lane where a shift cannot.
 */
// deno-fmt-ignore
const WEIGHTS: usize = memory.data<u32>([
  0x000001, 0x000020, 0x000400, 0x008000, 0x100000, 0x000002, 0x000040, 0x000800,
  0x010000, 0x200000, 0x000004, 0x000080, 0x001000, 0x020000, 0x400000, 0x000008,
  0x000100, 0x002000, 0x040000, 0x800000, 0x000010, 0x000200, 0x004000, 0x080000,
], 16);

/**
 * The last 1..3 bytes before `end`, zero padded to a word; `total` = bytes that may be read before
 * `end`.
 */
function lastBytes(end: usize, count: u32, total: u32): u32 {
  // Rather the last four bytes and shift out the surplus than a branch per byte; short keys cannot.
  if (total >= 4) return load<u32>(end - 4) >>> (32 - (count << 3));
  let word: u32 = load<u8>(end - count);
  if (count > 1) word |= (<u32> load<u8>(end - count + 1)) << 8;
  if (count > 2) word |= (<u32> load<u8>(end - 1)) << 16;
  return word;
}

/**
 * Jenkins lookup3 with initial value 0, as TDB uses it. `length` in bytes, any; 0 gives 0xDEADBEEF.
 */
export function jenkins(address: usize, length: u32): u32 {
  let a: u32 = 0xdeadbeef + length;
  let b = a;
  let c = a;
  if (length == 0) return c;
  let left = length;
  // A full last block of 12 belongs to the final step, hence "more than".
  while (left > 12) {
    a += load<u32>(address);
    b += load<u32>(address, 4);
    c += load<u32>(address, 8);
    a = (a - c) ^ rotl<u32>(c, 4);
    c += b;
    b = (b - a) ^ rotl<u32>(a, 6);
    a += c;
    c = (c - b) ^ rotl<u32>(b, 8);
    b += a;
    a = (a - c) ^ rotl<u32>(c, 16);
    c += b;
    b = (b - a) ^ rotl<u32>(a, 19);
    a += c;
    c = (c - b) ^ rotl<u32>(b, 4);
    b += a;
    address += 12;
    left -= 12;
  }
  const end = address + left;
  const odd = left & 3;
  const tail: u32 = odd ? lastBytes(end, odd, length) : 0;
  if (left >= 8) {
    a += load<u32>(address);
    b += load<u32>(address, 4);
    c += left == 12 ? load<u32>(address, 8) : tail;
  } else if (left >= 4) {
    a += load<u32>(address);
    b += tail;
  } else {
    a += tail;
  }
  c = (c ^ b) - rotl<u32>(b, 14);
  a = (a ^ c) - rotl<u32>(c, 11);
  b = (b ^ a) - rotl<u32>(a, 25);
  c = (c ^ b) - rotl<u32>(b, 16);
  a = (a ^ c) - rotl<u32>(c, 4);
  b = (b ^ a) - rotl<u32>(a, 14);
  return (c ^ b) - rotl<u32>(b, 24);
}

/** Four bytes (as u32 lanes) times the four weights from `weight` on. */
function weighed(bytes: v128, weight: usize): v128 {
  return v128.mul<u32>(bytes, v128.load(weight));
}

/**
 * TDB's old hash: a sum of shifted bytes, then one step of a congruential generator. Any `length`,
 * bytes.
 */
export function oldHash(address: usize, length: u32): u32 {
  let sums: v128 = v128.splat<u32>(0);
  let sum: u32 = 0x238f13af * length;
  const end = address + length;
  let place: u32 = 0; // index of the byte in the period
  while (end - address >= 8) {
    const eight = v128.load_ext<u8>(address);
    const weight = WEIGHTS + (place << 2);
    sums = v128.add<u32>(sums, weighed(v128.extend_low<u16>(eight), weight));
    sums = v128.add<u32>(sums, weighed(v128.extend_high<u16>(eight), weight + 16));
    address += 8;
    place = place == PERIOD - 8 ? 0 : place + 8;
  }
  for (; address < end; address++, place++) {
    sum += load<u8>(address) * load<u32>(WEIGHTS + (place << 2));
  }
  sum += v128.extract_lane<u32>(sums, 0) + v128.extract_lane<u32>(sums, 1);
  sum += v128.extract_lane<u32>(sums, 2) + v128.extract_lane<u32>(sums, 3);
  return 1103515243 * sum + 12345;
}

/**
 * jenkins() of `count` keys: reads `count` pairs of 8 bytes, writes `count` words of 4; they must
 * not overlap.
 */
export function jenkinsMany(pairs: usize, count: u32, out: usize): void {
  for (let index: u32 = 0; index < count; index++) {
    store<u32>(out, jenkins(load<u32>(pairs), load<u32>(pairs, 4)));
    pairs += PAIR_SIZE;
    out += 4;
  }
}

/**
 * oldHash() of `count` keys: reads `count` pairs of 8 bytes, writes `count` words of 4; they must
 * not overlap.
 */
export function oldHashMany(pairs: usize, count: u32, out: usize): void {
  for (let index: u32 = 0; index < count; index++) {
    store<u32>(out, oldHash(load<u32>(pairs), load<u32>(pairs, 4)));
    pairs += PAIR_SIZE;
    out += 4;
  }
}
