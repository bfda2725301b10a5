/**
 * MD5 of 4 KiB blocks, four at a time, and of any run of bytes.
 *
 * Within one message each of MD5's 64 steps waits for the one before it, so a single message cannot
 * go faster; four messages of one length can: lane i of every vector belongs to block i. The rounds
 * are written once, for T = u32 (one message) and T = v128 (four), and a chunk of 64 bytes is
 * turned on its side for the latter:
 *
 *   block 0   w0 w1 ...      WORDS  | w0 of 0,1,2,3 | w1 of 0,1,2,3 | ... | w15 |  256 bytes
 *   block 1   w0 w1 ...  ->  STATE  | a  of 0,1,2,3 | b | c | d |                   64 bytes
 *   block 2, 3               (T = u32: STATE a b c d; WORDS the padded last one or two chunks)
 *
 * Does NOT promise: security (MD5 collides on purpose): it notices accidents. Nor any check of its
 * arguments.
 *
 * Upstream: RFC 1321.
 */

/** Bytes of a block of md5Blocks, of a chunk of MD5, and of its result. */
const BLOCK_SIZE: u32 = 4096;
const CHUNK_SIZE: u32 = 64;
const DIGEST_SIZE: u32 = 16;

const STATE: usize = memory.data(64, 16);
const WORDS: usize = memory.data(256, 16);

// T is u32 or v128; the compiler decides each condition, and inlines all of these small functions.

function lane<T>(base: usize, index: u32): T {
  return load<T>(base + index * sizeof<T>());
}

function setLane<T>(base: usize, index: u32, value: T): void {
  store<T>(base + index * sizeof<T>(), value);
}

function add<T>(one: T, other: T): T {
  if (isVector<T>()) return v128.add<u32>(one, other);
  return (one + other) as T;
}

function splat<T>(value: u32): T {
  if (isVector<T>()) return v128.splat<u32>(value);
  return value as T;
}

/**
 * What every step ends with: b + ((a + f + word + constant) rotated left). `f` last: it is what
 * comes late.
 */
function turn<T>(a: T, b: T, f: T, word: T, constant: u32, by: i32): T {
  const sum = add<T>(add<T>(a, add<T>(word, splat<T>(constant))), f);
  if (isVector<T>()) {
    return add<T>(b, v128.or(v128.shl<u32>(sum, by), v128.shr<u32>(sum, 32 - by)));
  }
  return add<T>(b, rotl<u32>(sum, by));
}

function stepF<T>(a: T, b: T, c: T, d: T, word: T, constant: u32, by: i32): T {
  if (isVector<T>()) {
    return turn<T>(a, b, v128.xor(d, v128.and(b, v128.xor(c, d))), word, constant, by);
  }
  return turn<T>(a, b, d ^ (b & (c ^ d)), word, constant, by);
}

function stepG<T>(a: T, b: T, c: T, d: T, word: T, constant: u32, by: i32): T {
  // The two halves share no bit, so their OR may be two sums: only d & b waits for b.
  if (isVector<T>()) {
    return turn<T>(add<T>(a, v128.andnot(c, d)), b, v128.and(d, b), word, constant, by);
  }
  return turn<T>(add<T>(a, c & ~d), b, d & b, word, constant, by);
}

function stepH<T>(a: T, b: T, c: T, d: T, word: T, constant: u32, by: i32): T {
  if (isVector<T>()) return turn<T>(a, b, v128.xor(b, v128.xor(c, d)), word, constant, by);
  return turn<T>(a, b, b ^ (c ^ d), word, constant, by);
}

function stepI<T>(a: T, b: T, c: T, d: T, word: T, constant: u32, by: i32): T {
  if (isVector<T>()) {
    return turn<T>(a, b, v128.xor(c, v128.or(b, v128.not(d))), word, constant, by);
  }
  return turn<T>(a, b, c ^ (b | ~d), word, constant, by);
}

/** Round 1: where b has a one take c, else d. */
function roundF<T>(state: usize, words: usize): void {
  let a = lane<T>(state, 0);
  let b = lane<T>(state, 1);
  let c = lane<T>(state, 2);
  let d = lane<T>(state, 3);
  a = stepF<T>(a, b, c, d, lane<T>(words, 0), 0xd76aa478, 7);
  d = stepF<T>(d, a, b, c, lane<T>(words, 1), 0xe8c7b756, 12);
  c = stepF<T>(c, d, a, b, lane<T>(words, 2), 0x242070db, 17);
  b = stepF<T>(b, c, d, a, lane<T>(words, 3), 0xc1bdceee, 22);
  a = stepF<T>(a, b, c, d, lane<T>(words, 4), 0xf57c0faf, 7);
  d = stepF<T>(d, a, b, c, lane<T>(words, 5), 0x4787c62a, 12);
  c = stepF<T>(c, d, a, b, lane<T>(words, 6), 0xa8304613, 17);
  b = stepF<T>(b, c, d, a, lane<T>(words, 7), 0xfd469501, 22);
  a = stepF<T>(a, b, c, d, lane<T>(words, 8), 0x698098d8, 7);
  d = stepF<T>(d, a, b, c, lane<T>(words, 9), 0x8b44f7af, 12);
  c = stepF<T>(c, d, a, b, lane<T>(words, 10), 0xffff5bb1, 17);
  b = stepF<T>(b, c, d, a, lane<T>(words, 11), 0x895cd7be, 22);
  a = stepF<T>(a, b, c, d, lane<T>(words, 12), 0x6b901122, 7);
  d = stepF<T>(d, a, b, c, lane<T>(words, 13), 0xfd987193, 12);
  c = stepF<T>(c, d, a, b, lane<T>(words, 14), 0xa679438e, 17);
  b = stepF<T>(b, c, d, a, lane<T>(words, 15), 0x49b40821, 22);
  setLane<T>(state, 0, a);
  setLane<T>(state, 1, b);
  setLane<T>(state, 2, c);
  setLane<T>(state, 3, d);
}

/** Round 2: where d has a one take b, else c. */
function roundG<T>(state: usize, words: usize): void {
  let a = lane<T>(state, 0);
  let b = lane<T>(state, 1);
  let c = lane<T>(state, 2);
  let d = lane<T>(state, 3);
  a = stepG<T>(a, b, c, d, lane<T>(words, 1), 0xf61e2562, 5);
  d = stepG<T>(d, a, b, c, lane<T>(words, 6), 0xc040b340, 9);
  c = stepG<T>(c, d, a, b, lane<T>(words, 11), 0x265e5a51, 14);
  b = stepG<T>(b, c, d, a, lane<T>(words, 0), 0xe9b6c7aa, 20);
  a = stepG<T>(a, b, c, d, lane<T>(words, 5), 0xd62f105d, 5);
  d = stepG<T>(d, a, b, c, lane<T>(words, 10), 0x02441453, 9);
  c = stepG<T>(c, d, a, b, lane<T>(words, 15), 0xd8a1e681, 14);
  b = stepG<T>(b, c, d, a, lane<T>(words, 4), 0xe7d3fbc8, 20);
  a = stepG<T>(a, b, c, d, lane<T>(words, 9), 0x21e1cde6, 5);
  d = stepG<T>(d, a, b, c, lane<T>(words, 14), 0xc33707d6, 9);
  c = stepG<T>(c, d, a, b, lane<T>(words, 3), 0xf4d50d87, 14);
  b = stepG<T>(b, c, d, a, lane<T>(words, 8), 0x455a14ed, 20);
  a = stepG<T>(a, b, c, d, lane<T>(words, 13), 0xa9e3e905, 5);
  d = stepG<T>(d, a, b, c, lane<T>(words, 2), 0xfcefa3f8, 9);
  c = stepG<T>(c, d, a, b, lane<T>(words, 7), 0x676f02d9, 14);
  b = stepG<T>(b, c, d, a, lane<T>(words, 12), 0x8d2a4c8a, 20);
  setLane<T>(state, 0, a);
  setLane<T>(state, 1, b);
  setLane<T>(state, 2, c);
  setLane<T>(state, 3, d);
}

/** Round 3: parity. */
function roundH<T>(state: usize, words: usize): void {
  let a = lane<T>(state, 0);
  let b = lane<T>(state, 1);
  let c = lane<T>(state, 2);
  let d = lane<T>(state, 3);
  a = stepH<T>(a, b, c, d, lane<T>(words, 5), 0xfffa3942, 4);
  d = stepH<T>(d, a, b, c, lane<T>(words, 8), 0x8771f681, 11);
  c = stepH<T>(c, d, a, b, lane<T>(words, 11), 0x6d9d6122, 16);
  b = stepH<T>(b, c, d, a, lane<T>(words, 14), 0xfde5380c, 23);
  a = stepH<T>(a, b, c, d, lane<T>(words, 1), 0xa4beea44, 4);
  d = stepH<T>(d, a, b, c, lane<T>(words, 4), 0x4bdecfa9, 11);
  c = stepH<T>(c, d, a, b, lane<T>(words, 7), 0xf6bb4b60, 16);
  b = stepH<T>(b, c, d, a, lane<T>(words, 10), 0xbebfbc70, 23);
  a = stepH<T>(a, b, c, d, lane<T>(words, 13), 0x289b7ec6, 4);
  d = stepH<T>(d, a, b, c, lane<T>(words, 0), 0xeaa127fa, 11);
  c = stepH<T>(c, d, a, b, lane<T>(words, 3), 0xd4ef3085, 16);
  b = stepH<T>(b, c, d, a, lane<T>(words, 6), 0x04881d05, 23);
  a = stepH<T>(a, b, c, d, lane<T>(words, 9), 0xd9d4d039, 4);
  d = stepH<T>(d, a, b, c, lane<T>(words, 12), 0xe6db99e5, 11);
  c = stepH<T>(c, d, a, b, lane<T>(words, 15), 0x1fa27cf8, 16);
  b = stepH<T>(b, c, d, a, lane<T>(words, 2), 0xc4ac5665, 23);
  setLane<T>(state, 0, a);
  setLane<T>(state, 1, b);
  setLane<T>(state, 2, c);
  setLane<T>(state, 3, d);
}

/** Round 4: c, turned where b is one or d is zero. */
function roundI<T>(state: usize, words: usize): void {
  let a = lane<T>(state, 0);
  let b = lane<T>(state, 1);
  let c = lane<T>(state, 2);
  let d = lane<T>(state, 3);
  a = stepI<T>(a, b, c, d, lane<T>(words, 0), 0xf4292244, 6);
  d = stepI<T>(d, a, b, c, lane<T>(words, 7), 0x432aff97, 10);
  c = stepI<T>(c, d, a, b, lane<T>(words, 14), 0xab9423a7, 15);
  b = stepI<T>(b, c, d, a, lane<T>(words, 5), 0xfc93a039, 21);
  a = stepI<T>(a, b, c, d, lane<T>(words, 12), 0x655b59c3, 6);
  d = stepI<T>(d, a, b, c, lane<T>(words, 3), 0x8f0ccc92, 10);
  c = stepI<T>(c, d, a, b, lane<T>(words, 10), 0xffeff47d, 15);
  b = stepI<T>(b, c, d, a, lane<T>(words, 1), 0x85845dd1, 21);
  a = stepI<T>(a, b, c, d, lane<T>(words, 8), 0x6fa87e4f, 6);
  d = stepI<T>(d, a, b, c, lane<T>(words, 15), 0xfe2ce6e0, 10);
  c = stepI<T>(c, d, a, b, lane<T>(words, 6), 0xa3014314, 15);
  b = stepI<T>(b, c, d, a, lane<T>(words, 13), 0x4e0811a1, 21);
  a = stepI<T>(a, b, c, d, lane<T>(words, 4), 0xf7537e82, 6);
  d = stepI<T>(d, a, b, c, lane<T>(words, 11), 0xbd3af235, 10);
  c = stepI<T>(c, d, a, b, lane<T>(words, 2), 0x2ad7d2bb, 15);
  b = stepI<T>(b, c, d, a, lane<T>(words, 9), 0xeb86d391, 21);
  setLane<T>(state, 0, a);
  setLane<T>(state, 1, b);
  setLane<T>(state, 2, c);
  setLane<T>(state, 3, d);
}

/** Takes one chunk (16 lanes of T at `words`) into the state. */
function chunk<T>(state: usize, words: usize): void {
  const a = lane<T>(state, 0);
  const b = lane<T>(state, 1);
  const c = lane<T>(state, 2);
  const d = lane<T>(state, 3);
  roundF<T>(state, words);
  roundG<T>(state, words);
  roundH<T>(state, words);
  roundI<T>(state, words);
  setLane<T>(state, 0, add<T>(a, lane<T>(state, 0)));
  setLane<T>(state, 1, add<T>(b, lane<T>(state, 1)));
  setLane<T>(state, 2, add<T>(c, lane<T>(state, 2)));
  setLane<T>(state, 3, add<T>(d, lane<T>(state, 3)));
}

function begin<T>(state: usize): void {
  setLane<T>(state, 0, splat<T>(0x67452301));
  setLane<T>(state, 1, splat<T>(0xefcdab89));
  setLane<T>(state, 2, splat<T>(0x98badcfe));
  setLane<T>(state, 3, splat<T>(0x10325476));
}

/** Four rows of four words at one..four become four columns, 64 bytes at `to`. */
function transpose(one: usize, two: usize, three: usize, four: usize, to: usize): void {
  const top = v128.load(one), second = v128.load(two);
  const third = v128.load(three), bottom = v128.load(four);
  const left = v128.shuffle<u32>(top, second, 0, 4, 1, 5);
  const right = v128.shuffle<u32>(top, second, 2, 6, 3, 7);
  const leftBelow = v128.shuffle<u32>(third, bottom, 0, 4, 1, 5);
  const rightBelow = v128.shuffle<u32>(third, bottom, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<u64>(left, leftBelow, 0, 2));
  v128.store(to, v128.shuffle<u64>(left, leftBelow, 1, 3), 16);
  v128.store(to, v128.shuffle<u64>(right, rightBelow, 0, 2), 32);
  v128.store(to, v128.shuffle<u64>(right, rightBelow, 1, 3), 48);
}

/** The chunk that ends every block of 4096 bytes: the one bit, and the length in bits. */
function padLanes(): void {
  memory.fill(WORDS, 0, 256);
  v128.store(WORDS, v128.splat<u32>(0x80));
  v128.store(WORDS, v128.splat<u32>(BLOCK_SIZE << 3), 14 * 16);
}

/**
 * The chunk that ends every numbered page: its number as a u64, the one bit, the length in bits. Lane i is page i of
 * `numbers`, u32 each; one without a page repeats the last.
 */
function padPages(numbers: usize, pageCount: u32): void {
  memory.fill(WORDS, 0, 256);
  for (let lane: u32 = 0; lane < 4; lane++) {
    store<u32>(WORDS + (lane << 2), load<u32>(numbers + (min<u32>(lane, pageCount - 1) << 2)));
  }
  v128.store(WORDS, v128.splat<u32>(0x80), 2 * 16);
  v128.store(WORDS, v128.splat<u32>((BLOCK_SIZE + 8) << 3), 14 * 16);
}

/**
 * One to four neighbouring blocks, all but the chunk that ends them; a lane without a block repeats the last one and
 * its result is dropped.
 */
function bodyLanes(address: usize, blockCount: u32): void {
  const second = blockCount > 1 ? address + BLOCK_SIZE : address;
  const third = blockCount > 2 ? second + BLOCK_SIZE : second;
  const fourth = blockCount > 3 ? third + BLOCK_SIZE : third;
  begin<v128>(STATE);
  for (let at: u32 = 0; at < BLOCK_SIZE; at += CHUNK_SIZE) {
    for (let row: u32 = 0; row < CHUNK_SIZE; row += 16) {
      const here = at + row;
      transpose(address + here, second + here, third + here, fourth + here, WORDS + (row << 2));
    }
    chunk<v128>(STATE, WORDS);
  }
}

/** The chunk in WORDS ends the lanes: their results, in a row. */
function endLanes(blockCount: u32, out: usize): void {
  chunk<v128>(STATE, WORDS);
  transpose(STATE, STATE + 16, STATE + 32, STATE + 48, WORDS);
  memory.copy(out, WORDS, blockCount * DIGEST_SIZE);
}

/** MD5 of `length` bytes (any) from `address`: 16 bytes to `out`. */
export function md5(address: usize, length: u32, out: usize): void {
  begin<u32>(STATE);
  let left = length;
  for (; left >= CHUNK_SIZE; left -= CHUNK_SIZE) {
    chunk<u32>(STATE, address);
    address += CHUNK_SIZE;
  }
  // Padding: a one bit, zeros, and the length in bits as u64 at the end of a chunk; it may need a
  // second chunk.
  const size = left < CHUNK_SIZE - 8 ? CHUNK_SIZE : 2 * CHUNK_SIZE;
  memory.fill(WORDS, 0, size);
  memory.copy(WORDS, address, left);
  store<u8>(WORDS + left, 0x80);
  store<u64>(WORDS + size - 8, (<u64> length) << 3);
  chunk<u32>(STATE, WORDS);
  if (size > CHUNK_SIZE) chunk<u32>(STATE, WORDS + CHUNK_SIZE);
  v128.store(out, v128.load(STATE));
}

/**
 * MD5 of each of `blockCount` neighbouring blocks of 4096 bytes from `address`: 16 bytes a block to
 * `out`, which must not overlap the blocks.
 */
export function md5Blocks(address: usize, blockCount: u32, out: usize): void {
  while (blockCount > 1) {
    const lanes = min<u32>(blockCount, 4);
    bodyLanes(address, lanes);
    padLanes();
    endLanes(lanes, out);
    address += lanes * BLOCK_SIZE;
    out += lanes * DIGEST_SIZE;
    blockCount -= lanes;
  }
  if (blockCount == 1) md5(address, BLOCK_SIZE, out);
}

/**
 * MD5 of each of `pageCount` neighbouring blocks of 4096 bytes from `address`, each followed by its number as a u64:
 * 16 bytes a page to `out`. `numbers`: the low words of the numbers, u32 each; the high words are 0. Neither may
 * overlap the pages. A page that lies where another belongs has another sum.
 */
export function md5Pages(address: usize, numbers: usize, pageCount: u32, out: usize): void {
  while (pageCount > 0) {
    const lanes = min<u32>(pageCount, 4);
    bodyLanes(address, lanes);
    padPages(numbers, lanes);
    endLanes(lanes, out);
    address += lanes * BLOCK_SIZE;
    numbers += lanes << 2;
    out += lanes * DIGEST_SIZE;
    pageCount -= lanes;
  }
}
