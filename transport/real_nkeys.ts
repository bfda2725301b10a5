/**
 * Secrets of the bus: keys made, and read from files.
 *
 *   # comments: role, name, tag, public key      a file of ours: the comments are for people, the seed is the secret
 *   SUA...                                       the `nats` command reads it as it is (--nkey)
 *   -----BEGIN NATS USER JWT-----                a file of an operator's own system (creds), told apart by this
 *
 * A file that everybody on the machine can read is refused: a secret that is shown is none.
 *
 * Does NOT promise: that a key is known to any server.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createUser, fromSeed } from "@nats-io/nkeys";
import { inboxOfKey, seedBytes, tagOfKey, userKeyText } from "./nats_keys.ts";
import type { NatsRole } from "./nats_roles.ts";
import { systemCode } from "./real_errors.ts";
import { CtdbxError } from "./wire/errors.ts";

/** Largest file of a secret, bytes. */
const SECRET_BYTES_MAX = 64 * 1024;
const OTHERS_READ = 0o004;
/** PKCS #8 of an Ed25519 key, up to its 32 bytes: RFC 8410, section 7. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

/** A key pair as text. */
export interface Nkey {
  /** The secret: S, U and 56 more. */
  readonly seed: string;
  /** U and 55 more. */
  readonly publicKey: string;
}

/** What a file of a secret holds. */
export type BusSecret =
  | { readonly kind: "nkey"; readonly seed: string; readonly publicKey: string }
  | { readonly kind: "creds"; readonly text: string };

/** A new key of a user. */
export function newNkey(): Nkey {
  const pair = createUser();
  const seed = new TextDecoder().decode(pair.getSeed());
  const publicKey = pair.getPublicKey();
  pair.clear();
  return { seed, publicKey };
}

/** The public key of a user's seed. Throws CtdbxError "config" on what is none. */
export function publicKeyOf(seed: string): string {
  const { x = "" } = createPublicKey(privateKeyOf(seed)).export({ format: "jwk" });
  return userKeyText(Buffer.from(x, "base64url"));
}

/** Signs with a user's seed: 64 bytes, Ed25519. Throws CtdbxError "config" on what is none. */
export function signWith(seed: string, bytes: Uint8Array): Uint8Array {
  return sign(null, bytes, privateKeyOf(seed));
}

/** By the runtime: the library, in JavaScript, takes a tenth of a second where nothing is compiled yet. */
function privateKeyOf(seed: string): KeyObject {
  try {
    // The library knows the form and its checksum.
    if (seed.startsWith("SU")) fromSeed(new TextEncoder().encode(seed)).clear();
    else throw new RangeError("not a user's");
  } catch {
    // The library's words may hold parts of the secret.
    throw new CtdbxError("config", "Cannot use the key: it is no seed of a user (SU...)");
  }
  const key = Buffer.concat([PKCS8_HEAD, seedBytes(seed)]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** The text of a key's file. */
export function keyFileText(
  { role, name, cluster, seed }: {
    readonly role: NatsRole;
    readonly name: string;
    readonly cluster?: string | undefined;
    readonly seed: string;
  },
): string {
  const publicKey = publicKeyOf(seed);
  const lines = [
    "# Key of ctdbx on the bus. Secret: whoever has this file can speak as its owner.",
    `# role: ${role}`,
    `# name: ${name}`,
  ];
  if (cluster !== undefined) lines.push(`# cluster: ${cluster}`);
  // A node's tag comes from its identity, which may be made later than its key.
  if (role !== "node") lines.push(`# tag: ${tagOfKey(publicKey)}`);
  lines.push(`# inbox: ${inboxOfKey(publicKey)}`, `# public: ${publicKey}`, seed, "");
  return lines.join("\n");
}

/** Reads a file of a secret. Throws CtdbxError "not_found", "denied", "config"; all name the file. */
export function readSecret(path: string): BusSecret {
  const text = readSecretText(path);
  if (text.includes("-----BEGIN NATS USER JWT-----")) return { kind: "creds", text };
  const seed = text.split("\n").map((line) => line.trim()).find((line) => /^SU/.test(line));
  if (seed === undefined) {
    throw new CtdbxError("config", `Cannot use ${path}: it holds no key (a line SU...)`);
  }
  try {
    return { kind: "nkey", seed, publicKey: publicKeyOf(seed) };
  } catch (error) {
    throw new CtdbxError("config", `Cannot use ${path}: its key is damaged`, { cause: error });
  }
}

/** The text of a file that others must not read. Throws CtdbxError "not_found", "denied", "config". */
export function readSecretText(path: string): string {
  try {
    const { mode, size } = statSync(path);
    if ((mode & OTHERS_READ) !== 0) {
      throw new CtdbxError(
        "denied",
        `Cannot use ${path}: everybody can read it; chmod 600, and make a new secret`,
      );
    }
    if (size > SECRET_BYTES_MAX) {
      throw new CtdbxError("config", `Cannot use ${path}: longer than ${SECRET_BYTES_MAX} bytes`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof CtdbxError) throw error;
    throw fileError(path, error);
  }
}

/** The bytes of a file that is no secret. Throws CtdbxError "not_found", "denied", "io". */
export function readPublicText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fileError(path, error);
  }
}

function fileError(path: string, error: unknown): CtdbxError {
  const code = systemCode(error);
  if (code === "ENOENT") {
    return new CtdbxError("not_found", `Cannot read ${path}: there is no such file`);
  }
  const isDenied = code === "EACCES" || code === "EPERM";
  const text = isDenied ? "not permitted" : code ?? String(error);
  return new CtdbxError(isDenied ? "denied" : "io", `Cannot read ${path}: ${text}`);
}
