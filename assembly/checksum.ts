/**
 * CRC32C (Castagnoli), the checksum that finds torn and rotten bytes; resumable over pieces.
 *
 * Sixteen bytes a step through sixteen tables of 256 words: table k holds what a byte becomes after
 * k more zero bytes have followed it, so all sixteen look-ups are independent and only their XOR is
 * a chain.
 *
 *   TABLES  | table 0: 256 x u32 | table 1 | ... | table 15 |    16 KiB of statics
 *
 * Filled rather than compiled in: sixteen kilobytes of constants would quadruple the module. The
 * same bytes are written again if a second instance is made on the Memory.
 *
 * Does NOT promise: protection against intent (a CRC is linear), nor any check of its arguments.
 *
 * Upstream: RFC 3720 section 12.1 names the polynomial; the table method is Intel's "slicing".
 */

/** Castagnoli polynomial 0x1EDC6F41, bits reversed: the lowest bit is the first. */
const POLYNOMIAL: u32 = 0x82f63b78;
/** Bytes per step, which is the number of tables. */
const STEP: u32 = 16;
/** Bytes of one table. */
const TABLE_SIZE: usize = 1024;
const TABLES_SIZE: i32 = 16384;
const TABLES: usize = memory.data(TABLES_SIZE, 16);

function fillTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & -(crc & 1));
    store<u32>(TABLES + (byte << 2), crc);
  }
  for (let at: usize = TABLES; at < TABLES + TABLES_SIZE - TABLE_SIZE; at += 4) {
    const crc = load<u32>(at);
    store<u32>(at + TABLE_SIZE, (crc >>> 8) ^ load<u32>(TABLES + ((crc & 255) << 2)));
  }
}
fillTables();

/**
 * The four bytes of `word`, looked up; `table` belongs to the highest byte, the three after it to
 * the others.
 */
function lookUp(word: u32, table: usize): u32 {
  const low = load<u32>(table + 3 * TABLE_SIZE + ((word & 255) << 2)) ^
    load<u32>(table + 2 * TABLE_SIZE + ((word >>> 8 & 255) << 2));
  const high = load<u32>(table + TABLE_SIZE + ((word >>> 16 & 255) << 2)) ^
    load<u32>(table + (word >>> 24 << 2));
  return low ^ high;
}

/**
 * CRC32C of `length` bytes (any) from `address`, continuing from `crc`: 0 to begin, the last result
 * to go on. The inversions at both ends are inside, so crc32c(crc32c(0, A), B) is the CRC of A
 * followed by B.
 */
export function crc32c(crc: u32, address: usize, length: u32): u32 {
  crc = ~crc;
  while (length >= STEP) {
    // The words that do not wait for the last step come first.
    const rest = lookUp(load<u32>(address, 4), TABLES + 8 * TABLE_SIZE) ^
      lookUp(load<u32>(address, 8), TABLES + 4 * TABLE_SIZE) ^
      lookUp(load<u32>(address, 12), TABLES);
    crc = rest ^ lookUp(load<u32>(address) ^ crc, TABLES + 12 * TABLE_SIZE);
    address += STEP;
    length -= STEP;
  }
  if (length & 8) {
    crc = lookUp(load<u32>(address) ^ crc, TABLES + 4 * TABLE_SIZE) ^
      lookUp(load<u32>(address, 4), TABLES);
    address += 8;
  }
  if (length & 4) {
    crc = lookUp(load<u32>(address) ^ crc, TABLES);
    address += 4;
  }
  for (length &= 3; length > 0; length--) {
    crc = (crc >>> 8) ^ load<u32>(TABLES + (((crc ^ load<u8>(address)) & 255) << 2));
    address++;
  }
  return ~crc;
}
