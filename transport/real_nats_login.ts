/**
 * How to log in at a nats-server: what is configured, as the client wants it, read from its files at each try.
 *
 *   key file   nkey: the server's nonce is signed; answers come to _INBOX_<tag of the key>, which its role may hear
 *              creds: a JWT and its key, of an operator's own system
 *   user and password, token, nothing
 *   tls        PEM files
 *
 * Does NOT promise: that the server agrees.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Authenticator, credsAuthenticator } from "nats";
import { inboxOfKey } from "./nats_keys.ts";
import type { TlsTexts } from "./real_nats_socket.ts";
import { CtdbxError } from "./wire/errors.ts";
import { publicKeyOf, readPublicText, readSecret, readSecretText, signWith } from "./real_nkeys.ts";

const CERTIFICATE = [/^-----BEGIN (?:TRUSTED )?CERTIFICATE-----/m, "certificate"] as const;
const PRIVATE_KEY = [/^-----BEGIN (?:\w+ )?PRIVATE KEY-----/m, "private key"] as const;

/** What is configured; at most one of keyFile, seed, user, token. */
export interface BusLogin {
  /** Path of an nkey's file or of a creds file; they are told apart by what they hold. */
  readonly keyFile?: string;
  /** The secret of an nkey itself, for who has no file of it yet. */
  readonly seed?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** First tokens of the subjects that answers come to. Default: of the key, else `_INBOX`. */
  readonly inbox?: string;
  readonly tls?: BusTls;
}

/** Paths of PEM files, absolute. */
export interface BusTls {
  /** Authorities that may vouch for the server; the runtime's when absent. */
  readonly ca?: string;
  /** What we show when it asks; both or neither. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that its certificate must hold; the host that is dialled when absent. */
  readonly serverName?: string;
}

/** For the client, and who it will be. */
export interface ReadLogin {
  /** A phrase for errors: the key, the user. */
  readonly owner: string;
  readonly authenticator?: Authenticator;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly inboxPrefix?: string;
  readonly tls?: TlsTexts;
}

/** Reads the files. Throws CtdbxError "not_found", "denied", "config"; each names the file. */
export function readLogin(login: BusLogin): ReadLogin {
  const { inbox, tls } = login;
  return {
    ...secretOf(login),
    ...inbox === undefined ? {} : { inboxPrefix: inbox },
    ...tls === undefined ? {} : { tls: textsOf(tls) },
  };
}

function secretOf({ keyFile, seed, user, password, token }: BusLogin): ReadLogin {
  if (seed !== undefined) return nkeyOf(seed, publicKeyOf(seed));
  if (keyFile !== undefined) {
    const secret = readSecret(keyFile);
    if (secret.kind === "nkey") return nkeyOf(secret.seed, secret.publicKey);
    const authenticator = credsAuthenticator(new TextEncoder().encode(secret.text));
    return { owner: `the credentials of ${keyFile}`, authenticator };
  }
  if (token !== undefined) return { owner: "the token", token };
  if (user === undefined) return { owner: "a client without credentials" };
  return { owner: `user ${user}`, user, pass: password ?? "" };
}

function nkeyOf(seed: string, publicKey: string): ReadLogin {
  return {
    owner: `key ${publicKey}`,
    authenticator: (nonce = "") => ({
      nkey: publicKey,
      sig: nonce === "" ? "" : Buffer.from(signWith(seed, Buffer.from(nonce))).toString("base64"),
    }),
    inboxPrefix: inboxOfKey(publicKey),
  };
}

/** The runtimes' own words about files that are none lead nowhere, so they are looked at first. */
function textsOf({ ca, cert, key, serverName }: BusTls): TlsTexts {
  const texts: TlsTexts = {
    ...ca === undefined ? {} : { ca: pemOf(ca, readPublicText(ca), CERTIFICATE) },
    ...cert === undefined ? {} : { cert: pemOf(cert, readPublicText(cert), CERTIFICATE) },
    ...key === undefined ? {} : { key: pemOf(key, readSecretText(key), PRIVATE_KEY) },
    ...serverName === undefined ? {} : { serverName },
  };
  if (texts.cert !== undefined && texts.key !== undefined && !belong(texts.cert, texts.key)) {
    throw new CtdbxError("config", `Cannot use ${cert}: ${key} is not its key`);
  }
  return texts;
}

function pemOf(path: string, text: string, [form, what]: readonly [RegExp, string]): string {
  if (form.test(text)) return text;
  throw new CtdbxError("config", `Cannot use ${path}: it holds no ${what} (PEM)`);
}

function belong(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
