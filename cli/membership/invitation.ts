/**
 * The file of an invitation: all that a machine needs to become a node, as JSON that people can read.
 *
 *   { "ctdbx-invitation": 1, "cluster": "lab", "name": "n3", ..., "checksum": "sha256 of all the rest" }
 *
 * It holds a secret, the key of the node to be; so it is for one machine, for once, and not for everybody's eyes.
 *
 * Does NOT promise: that the cluster still knows it; that is asked before anything is done with it.
 */

import { createHash } from "node:crypto";
import type { LockConfig } from "../../actors/node_config.ts";
import { isUserKey } from "../../transport/nats_keys.ts";
import { publicKeyOf } from "../../transport/real_nkeys.ts";
import { isClusterName } from "../../transport/wire/subjects.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";

/** The newest form of the file; older ones are read, too. */
export const INVITATION_VERSION = 1;
/** Largest file, bytes. */
export const INVITATION_BYTES_MAX = 256 * 1024;
/** What its name ends with. */
export const INVITATION_ENDING = ".ctdbx-invite";

/** A node that can be asked. */
export interface Seed {
  readonly nodeId: NodeId;
  readonly name: string;
}

/** What stands in the file. */
export interface Invitation {
  readonly cluster: string;
  readonly clusterId: ClusterId;
  /** The secret by which the cluster knows the invitation. */
  readonly inviteId: string;
  readonly name: string;
  readonly pnn: number;
  readonly nodeId: NodeId;
  /** Format of the cluster's documents. */
  readonly format: number;
  /** Wall clock, ms since 1970. */
  readonly expiresWallMs: number;
  /** Shall it vote? */
  readonly voter: boolean;
  /** The node that goes when this one is there; null: none does. */
  readonly replaces: { readonly pnn: number; readonly name: string } | null;
  /** The address that the node shall have; null: who joins says. */
  readonly addr: string | null;
  /** Servers of NATS, host:port. */
  readonly servers: readonly string[];
  /** Certificates of who vouches for those, PEM; null: they have none. */
  readonly ca: string | null;
  /** The node's key at the server, SU...; null: the server asks for none. */
  readonly seed: string | null;
  /** Nodes that can be asked. */
  readonly seeds: readonly Seed[];
  readonly lock: LockConfig;
  /** Version of ctdbx that made it. */
  readonly madeBy: string;
}

/** The text of the file. */
export function invitationText(invitation: Invitation): string {
  const body = { "ctdbx-invitation": INVITATION_VERSION, ...invitation };
  return `${JSON.stringify({ ...body, checksum: checksumOf(body) }, undefined, 2)}\n`;
}

/**
 * The invitation in a text. `where` names the file. Throws Failure: usage when it is none, conflict when it is cut or
 * was changed, version when it is newer.
 */
export function parseInvitation(text: string, where: string): Invitation {
  const cannot = `Cannot use the invitation ${where}`;
  const body = objectOf(text, cannot);
  const { "ctdbx-invitation": version, checksum, ...rest } = body;
  if (version === undefined) {
    throw new Failure(EXIT.usage, `${cannot}: it is no invitation`, HINT);
  }
  if (typeof version === "number" && version > INVITATION_VERSION) {
    const text = `it is of form ${version}, this ctdbx knows up to ${INVITATION_VERSION}`;
    throw new Failure(
      EXIT.version,
      `${cannot}: ${text}`,
      "install the version of ctdbx that the cluster runs",
    );
  }
  if (checksum !== checksumOf({ "ctdbx-invitation": version, ...rest })) {
    throw new Failure(EXIT.conflict, `${cannot}: it was changed, its checksum is wrong`, HINT);
  }
  const fault = faultOf(rest);
  if (fault !== undefined) throw new Failure(EXIT.conflict, `${cannot}: ${fault}`, HINT);
  return rest as unknown as Invitation;
}

const HINT = "`ctdbx cluster invite NAME` at a node of the cluster makes one";

/** What tells one invitation from another, without its secret. */
export function markOf({ inviteId }: Pick<Invitation, "inviteId">): string {
  return createHash("sha256").update(`ctdbx ${inviteId}`).digest("hex").slice(0, 32);
}

/** The public key of the node to be; undefined: it has none. */
export function keyOf({ seed }: Pick<Invitation, "seed">): string | undefined {
  return seed === null ? undefined : publicKeyOf(seed);
}

function objectOf(text: string, cannot: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const isCut = text.trimStart().startsWith("{") && text.includes("ctdbx-invitation");
    throw isCut
      ? new Failure(EXIT.conflict, `${cannot}: it is cut or damaged`, "copy the whole file again")
      : new Failure(EXIT.usage, `${cannot}: it is no invitation`, HINT);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Failure(EXIT.usage, `${cannot}: it is no invitation`, HINT);
}

/** The same for the same content, however it was written. */
function checksumOf(body: object): string {
  return createHash("sha256").update(canonical(body)).digest("hex");
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, part]) => part !== undefined)
    .sort(([one], [other]) => one < other ? -1 : 1);
  return `{${entries.map(([name, part]) => `${JSON.stringify(name)}:${canonical(part)}`).join()}}`;
}

type Rule = (value: unknown) => boolean;

const isText = (form: RegExp): Rule => (value) => typeof value === "string" && form.test(value);
const isCount: Rule = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const orNull = (rule: Rule): Rule => (value) => value === null || rule(value);
const isList = (rule: Rule, least: number): Rule => (value) =>
  Array.isArray(value) && value.length >= least && value.length <= 1024 && value.every(rule);

const ID = /^[0-9a-f]{32}$/;
const ADDRESS = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[\w.-]{1,253}):\d{1,5}$/;
const isSeed: Rule = (value) => {
  const { nodeId, name } = (value ?? {}) as Partial<Seed>;
  return isText(ID)(nodeId) && isText(/^.{1,63}$/)(name);
};
const isKey: Rule = (value) => {
  try {
    return isUserKey(publicKeyOf(String(value)));
  } catch {
    return false;
  }
};
const isLock: Rule = (value) => {
  const { kind, path, command } = (value ?? {}) as Record<string, unknown>;
  if (kind === "file") return isText(/^\//)(path);
  if (kind === "helper") return isList((part) => typeof part === "string", 1)(command);
  return kind === "jetstream" || kind === "single";
};

const RULES: Readonly<Record<keyof Invitation, Rule>> = {
  cluster: (value) => typeof value === "string" && isClusterName(value),
  clusterId: isText(ID),
  inviteId: isText(ID),
  name: isText(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/),
  pnn: isCount,
  nodeId: isText(ID),
  format: isCount,
  expiresWallMs: isCount,
  voter: (value) => typeof value === "boolean",
  replaces: orNull((value) => {
    const { pnn, name } = value as Record<string, unknown>;
    return isCount(pnn) && isText(/^.{1,63}$/)(name);
  }),
  addr: orNull(isText(ADDRESS)),
  servers: isList(isText(ADDRESS), 1),
  ca: orNull(isText(/^-----BEGIN CERTIFICATE-----/m)),
  seed: orNull(isKey),
  seeds: isList(isSeed, 1),
  lock: isLock,
  madeBy: isText(/^.{1,64}$/),
};

/** What is not as it must be; undefined: all is. */
function faultOf(body: Record<string, unknown>): string | undefined {
  for (const [name, rule] of Object.entries(RULES)) {
    if (!rule(body[name])) return `${name} is missing or has another form`;
  }
  return undefined;
}
