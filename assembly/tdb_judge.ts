/**
 * What a check thinks of one record, wherever it came upon it.
 *
 *   header: next rec_len key_len data_len full_hash magic | key data padding | tailer
 *                  `- inside the file, tailer equal          `- hash of it stored
 *
 * Does NOT promise: anything about `next`; the lists are walked apart.
 */
import { jenkins, oldHash } from "./hash";
import { tdbWhere } from "./tdb";
import {
  BAD_HASH,
  BAD_MAGIC,
  BAD_TAILER,
  CHECK_COUNTS,
  CK_BUFFER,
  CK_BUFFER_BYTES,
  CK_DEAD,
  CK_DEADS,
  CK_FLAGS,
  CK_FREE,
  CK_FREES,
  CK_KEYS,
  CK_LIVE,
  CK_PADDING,
  CK_VALUES,
  CK_WANT_BUFFER,
  count,
  ODD_LENGTH,
  PAST_END,
  report,
  tally,
  TOO_LONG,
} from "./tdb_check_state";
import {
  DATA_LEN,
  DB_BASE,
  DB_FLAGS,
  DB_SIZE,
  DEAD,
  FLAG_JENKINS,
  FLAG_OVERLAY,
  FREE,
  FULL_HASH,
  get,
  KEY_LEN,
  LIVE,
  MAGIC,
  REC_LEN,
  RECORD,
  Slow,
  word,
} from "./tdb_layout";

/** Is the stored hash that of the key? True too when CK_WANT_BUFFER says that the key needs a buffer. */
function hashed<M>(db: usize, state: usize, off: u32, keyLen: u32): bool {
  let key = <usize> load<u32>(db, DB_BASE) + off + RECORD;
  if (sizeof<M>() != 1 && (load<u32>(db, DB_FLAGS) & FLAG_OVERLAY) && keyLen != 0) {
    key = tdbWhere(db, off + RECORD, keyLen);
    if (key == 0) {
      if (keyLen > load<u32>(state, CK_BUFFER_BYTES)) {
        store<u32>(state, keyLen, CK_WANT_BUFFER);
        return true;
      }
      key = load<u32>(state, CK_BUFFER);
      get<Slow>(db, off + RECORD, key, keyLen);
    }
  }
  const hash = load<u32>(db, DB_FLAGS) & FLAG_JENKINS ? jenkins(key, keyLen) : oldHash(key, keyLen);
  return word<M>(db, off + FULL_HASH) == hash;
}

/** The first thing that is wrong with the record at `off` (its header is inside the file), 0 = nothing. */
export function judge<M>(db: usize, state: usize, off: u32, magic: u32): u32 {
  if (magic != LIVE && magic != DEAD && magic != FREE) return BAD_MAGIC;
  const recLen = word<M>(db, off + REC_LEN);
  if (recLen > load<u32>(db, DB_SIZE) - RECORD - off) return PAST_END;
  if (recLen < 4 || (recLen & 3) != 0) return ODD_LENGTH;
  if (word<M>(db, off + RECORD + recLen - 4) != RECORD + recLen) return BAD_TAILER;
  if (magic == FREE) return 0;
  const keyLen = word<M>(db, off + KEY_LEN);
  if (<u64> keyLen + word<M>(db, off + DATA_LEN) + 4 > <u64> recLen) return TOO_LONG;
  if (load<u32>(state, CK_FLAGS) & CHECK_COUNTS) return 0;
  return hashed<M>(db, state, off, keyLen) ? 0 : BAD_HASH;
}

/** Reports what `judge` said, with the word that shows it. */
export function complain<M>(db: usize, state: usize, off: u32, list: u32, reason: u32): void {
  let at = off + FULL_HASH;
  if (reason == BAD_MAGIC) at = off + MAGIC;
  else if (reason == PAST_END || reason == ODD_LENGTH) at = off + REC_LEN;
  else if (reason == BAD_TAILER) at = off + RECORD + word<M>(db, off + REC_LEN) - 4;
  else if (reason == TOO_LONG) at = off + KEY_LEN;
  report(state, reason, off, list, word<M>(db, at));
}

/** Counts a record by its magic; sizes only where they are inside the record. */
export function tell<M>(db: usize, state: usize, off: u32, magic: u32): void {
  const recLen = word<M>(db, off + REC_LEN);
  if (magic == LIVE) {
    const first = load<u32>(state, CK_LIVE) == 0;
    const keyLen = word<M>(db, off + KEY_LEN);
    const dataLen = word<M>(db, off + DATA_LEN);
    count(state, CK_LIVE);
    tally(state + CK_KEYS, keyLen, first);
    tally(state + CK_VALUES, dataLen, first);
    tally(state + CK_PADDING, recLen - keyLen - dataLen - 4, first);
  } else if (magic == DEAD) {
    tally(state + CK_DEADS, recLen, load<u32>(state, CK_DEAD) == 0);
    count(state, CK_DEAD);
  } else if (magic == FREE) {
    tally(state + CK_FREES, recLen, load<u32>(state, CK_FREE) == 0);
    count(state, CK_FREE);
  }
}
