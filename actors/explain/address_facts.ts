/**
 * Facts about public addresses for explain.ts: what each node says of its own, and what the leader knows of all.
 *
 * Does NOT promise: each address; so many names as ADDRESSES_TOLD, and counts.
 */

/** Addresses that are named, of each kind. */
export const ADDRESSES_TOLD = 8;
/** Interfaces and nodes that are named. */
export const NAMES_TOLD = 16;

/** Addresses of one kind: how many, and the first of them. */
export interface AddressGroup {
  readonly count: number;
  readonly first: readonly string[];
}

/** An address that nobody hosts, and who has it in the list. */
export interface UnhostedFact {
  readonly address: string;
  /** Names of nodes, the first NAMES_TOLD. */
  readonly nodes: readonly string[];
  /** Somebody could host it: a switch keeps it from being taken. */
  readonly isKept: boolean;
}

/** A node that does not do as the leader has ordered. */
export interface BehindFact {
  readonly node: string;
  readonly sinceMs: number;
  /** What it may have set, and should not. */
  readonly releases: AddressGroup;
  /** What it should have set, and has not. */
  readonly takes: AddressGroup;
}

/** All addresses, as the leader knows them. Nodes by their names. */
export interface AllAddressesFact {
  /** Addresses that stand in any list. */
  readonly known: number;
  readonly hosted: number;
  /** `kept`: so many of them somebody could host; missing: those in `first`, which has the first of both kinds. */
  readonly unhosted: {
    readonly count: number;
    readonly kept?: number;
    readonly first: readonly UnhostedFact[];
  };
  /** Addresses that are free, and wait for somebody silent. */
  readonly waiting: AddressGroup;
  /** Who may have any, and says nothing; how long that is waited for, missing: until its supervisor says something. */
  readonly silent: readonly { readonly node: string; readonly leftMs?: number }[];
  readonly behind: readonly BehindFact[];
  /** NoIPTakeover and NoIPFailback are set. */
  readonly isNoTakeover: boolean;
  readonly isNoFailback: boolean;
}

/** Public addresses at one node. */
export interface AddressesFact {
  /** Addresses of its list. */
  readonly listed: number;
  readonly held: number;
  /** Those of the list that it could host now. */
  readonly able: number;
  /** The configuration has a section for them. */
  readonly isConfigured: boolean;
  readonly backend: string;
  /** Interfaces of the list without a link. */
  readonly noLink: readonly string[];
  /** Listed addresses none of whose interfaces has a link. */
  readonly unlinked: AddressGroup;
  /** Listed addresses that could not be set, and are not offered for a while; the last reason. */
  readonly broken: AddressGroup & { readonly why?: string };
  /** From the leader alone. */
  readonly all?: AllAddressesFact;
}
