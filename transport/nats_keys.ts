/**
 * Public keys of the bus as text: their form, their checksum, and what follows from one.
 *
 *   U ABCD...  56 characters: base32 of 1 byte (kind: user), 32 bytes Ed25519 public key, 2 bytes CRC-16 of the rest
 *     └ from the third on: as random as the key.  10 of them, lower case: the tag.  26 of them: a 128 bit id.
 *
 * A monitor, client or operator has no identity but its key, so its tag on the bus is made of the key: nobody has to
 * hand tags out, and a key cannot be moved to another's tag.
 *
 * Does NOT promise: that anybody has the secret of a key. Secrets are for real_nkeys.ts.
 */
import type { NodeId, Tag } from "./wire/terms.ts";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const FORM = /^U[A-Z2-7]{55}$/;
/** Bytes without the checksum, and with it. */
const BODY_BYTES = 33;
const ALL_BYTES = 35;
/** Of a key itself, and where it begins in a seed, behind two prefixes. */
const KEY_BYTES = 32;
const SEED_AT = 2;
/** The first byte of a user's key. */
const USER_PREFIX = 20 << 3;
/** Where the random part of a key begins, characters of a tag, characters that hold 128 bits. */
const RANDOM_AT = 2;
const TAG_LENGTH = 10;
const ID_LENGTH = 26;

/** Is this the public key of a user, unharmed? A server refuses its whole configuration for one that is not. */
export function isUserKey(text: string): boolean {
  if (!FORM.test(text)) return false;
  const bytes = bytesOf(text);
  const [low = 0, high = 0] = bytes.subarray(BODY_BYTES);
  return bytes[0] === USER_PREFIX && crc16(bytes.subarray(0, BODY_BYTES)) === (high << 8 | low);
}

/** The tag of a monitor, client or operator. Throws RangeError on what is no user's key. */
export function tagOfKey(key: string): Tag {
  if (!isUserKey(key)) throw new RangeError(notKey(key));
  return key.slice(RANDOM_AT, RANDOM_AT + TAG_LENGTH).toLowerCase() as Tag;
}

/** An id for a sender that is no node: its tag is tagOfKey. Throws RangeError on what is no user's key. */
export function nodeIdOfKey(key: string): NodeId {
  if (!isUserKey(key)) throw new RangeError(notKey(key));
  let bits = 0n;
  for (const digit of key.slice(RANDOM_AT, RANDOM_AT + ID_LENGTH)) {
    bits = bits << 5n | BigInt(DIGITS.indexOf(digit));
  }
  return (bits >> 2n).toString(16).padStart(32, "0") as NodeId;
}

/** Where the answers to the owner of a key come: the first token of its inboxes. */
export function inboxOfKey(key: string): string {
  return `_INBOX_${tagOfKey(key)}`;
}

/** The text of a user's key of 32 bytes. */
export function userKeyText(key: Uint8Array): string {
  const bytes = new Uint8Array(ALL_BYTES);
  bytes[0] = USER_PREFIX;
  bytes.set(key, 1);
  const crc = crc16(bytes.subarray(0, BODY_BYTES));
  bytes.set([crc & 0xff, crc >> 8], BODY_BYTES);
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8 | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += DIGITS[held >> bits - 5 & 0x1f];
  }
  return text;
}

/** The 32 bytes of a user's seed (SU...), whose form and checksum are not looked at. */
export function seedBytes(seed: string): Uint8Array {
  return bytesOf(seed).subarray(SEED_AT, SEED_AT + KEY_BYTES);
}

function notKey(text: string): string {
  return `Cannot use ${JSON.stringify(text.slice(0, 80))}: it is no public key of a user (U...)`;
}

/** Digits of 5 bits as bytes; 56 of them are 35. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor(text.length * 5 / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const digit of text) {
    held = (held << 5 | DIGITS.indexOf(digit)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >> bits & 0xff;
  }
  return bytes;
}

/** CRC-16 with the polynomial 0x1021, from 0: XMODEM's. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
    }
  }
  return crc;
}
