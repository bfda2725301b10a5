/**
 * What a program may ask about records and databases.
 *
 * Does NOT promise: that it is still so when it is read.
 */

/** What is known of a database of the cluster. */
export interface DatabaseInfo {
  /** u32, made of the name. */
  readonly dbId: number;
  readonly name: string;
  readonly kind: string;
  /** Version of the cluster's document that made it, or wiped it last. */
  readonly since: bigint;
}

/** A value, and which state of the record it is. */
export interface LookInfo {
  readonly value: Uint8Array | undefined;
  /** Rises with each write, and with each move to another owner. Undefined: not told. */
  readonly rsn: bigint | undefined;
  /** The transfer by which its owner got it. */
  readonly tid: { readonly gen: bigint; readonly seq: number } | undefined;
}

/** Where a record is, as far as the node knows; u64 as digits. */
export interface WhereInfo {
  /** Of a volatile database. Others have no slots and no homes: each copy has all records. */
  readonly slot?: number;
  /** Number of the node that is home of its slot. */
  readonly home?: number;
  readonly isHome: boolean;
  readonly isOpen: boolean;
  /** Where it is, if this node is the home; of a persistent or replicated database its primary. */
  readonly holder?: number;
  /** Whom the copy here says it belongs to. */
  readonly dmaster?: number;
  /** owner, reader, released, stale, none; of other databases than volatile ones: primary, in_sync, copy, follower. */
  readonly role: string;
  readonly rsn?: string;
  /** Bytes of the copy here. */
  readonly size?: number;
  readonly readers: readonly number[];
  /** Operations that wait here. */
  readonly waiting: number;
  readonly heldBy?: {
    readonly what: string;
    readonly pid?: number;
    readonly client?: number;
    readonly ageMs?: number;
  };
  readonly read: string;
  readonly call: string;
  readonly isSticky: boolean;
  readonly history: readonly {
    readonly msAgo: number;
    readonly what: string;
    readonly peer?: number;
    readonly rsn?: string;
  }[];
}

/** A record that is used much, and how often what happened. */
export interface HotInfo {
  readonly key: Uint8Array;
  readonly uses: number;
  readonly visits: number;
  readonly movesIn: number;
  readonly movesOut: number;
  readonly delegated: number;
  readonly waiting: number;
  readonly isSticky: boolean;
  readonly choice: string;
}
