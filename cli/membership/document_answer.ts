/**
 * The answers about the document and its nodes as they come over the socket (actors/verbs/).
 *
 * Does NOT promise: fields that an older daemon does not send.
 */

/** A node of the document. */
export interface DocumentNodeAnswer {
  readonly pnn: number;
  readonly name: string;
  readonly nodeId: string;
  readonly tag: string;
  readonly addr: string;
  readonly adminFlags: readonly string[];
  readonly caps: readonly string[];
  readonly since?: string;
  readonly natsKey?: string;
  readonly wantsVote?: boolean;
  readonly replaces?: number;
  readonly leaving?: string;
  readonly isInvited: boolean;
  readonly ban?: { readonly why: string; readonly banMs: number; readonly count: number };
}

/** Somebody who may join. */
export interface InvitationAnswer {
  readonly name: string;
  readonly pnn: number;
  readonly nodeId: string;
  readonly tag: string;
  readonly voter: boolean;
  readonly replaces?: string;
  readonly replacesPnn?: number;
  readonly expiresWallMs: string | number;
  readonly leftMs: number;
}

/** Answer to "cluster view". */
export interface DocumentAnswer {
  readonly clusterId: string;
  readonly version: string;
  readonly generation: string;
  readonly coreVersion: string;
  readonly format: number;
  readonly voters: readonly {
    readonly voterId: number;
    readonly nodeId: string;
    readonly name?: string;
  }[];
  readonly voterChange?: object;
  readonly nodes: readonly DocumentNodeAnswer[];
  readonly members: readonly { readonly pnn: number; readonly incarnation: string }[];
  readonly invitations: readonly InvitationAnswer[];
  readonly gone: readonly {
    readonly pnn: number;
    readonly nodeId: string;
    readonly name: string;
    readonly why: string;
    readonly version: string;
  }[];
  readonly users: readonly {
    readonly role: string;
    readonly name: string;
    readonly natsKey: string;
    readonly tag: string;
  }[];
  readonly dbs: readonly { readonly dbId: number; readonly name: string; readonly kind: string }[];
  readonly publicIps: readonly { readonly ip: string; readonly maskBits: number }[];
}

/** Answer to "cluster invite". */
export interface InvitedAnswer {
  readonly name: string;
  readonly pnn: number;
  readonly nodeId: string;
  readonly tag: string;
  readonly voter: boolean;
  readonly replaces?: { readonly pnn: number; readonly name: string };
  readonly expiresWallMs: string | number;
  readonly cluster: string;
  readonly clusterId: string;
  readonly format: number;
  readonly seeds: readonly { readonly nodeId: string; readonly name: string }[];
}

/** Answer to "node flags", "node ban", "node unban", "node caps", "node zone". */
export interface NodeChangedAnswer {
  readonly pnn: number;
  readonly name: string;
  readonly adminFlags: readonly string[];
  readonly caps: readonly string[];
  readonly zone?: string;
  readonly ban?: { readonly why: string; readonly banMs: number };
}

/** Answer to "cluster upgrade". */
export interface UpgradeAnswer {
  readonly format: number;
  readonly formatMax: number;
  readonly nodes: readonly {
    readonly pnn: number;
    readonly name: string;
    readonly format?: number;
  }[];
  readonly ready: boolean;
  readonly why?: string;
}
