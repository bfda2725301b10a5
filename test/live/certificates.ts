/**
 * Certificates for tests of TLS, made by openssl: an authority and what it vouches for.
 *
 * Does NOT promise: anything outside of a test; nobody keeps these keys secret.
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { tool } from "../tools.ts";

/** Files of a certificate. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** An authority in a folder. */
export class Authority {
  readonly ca: string;
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.ca = join(folder, `${name}.pem`);
  }

  /** Makes one; skips the test when there is no openssl. */
  static make(folder: string, name: string): Authority {
    const made = new Authority(folder, name);
    const key = join(folder, `${name}.key`);
    openssl(
      ["req", "-x509", ...NEW_KEY, "-keyout", key, "-out", made.ca, "-days", "2"],
      ["-subj", `/CN=${name}`, "-addext", "basicConstraints=critical,CA:TRUE"],
      ["-addext", "keyUsage=critical,keyCertSign"],
    );
    return made;
  }

  /** Vouches for names ("DNS:localhost,IP:127.0.0.1"), for so many days from yesterday's; below 0: expired. */
  issue(name: string, names: string, days = 2): CertificateFiles {
    const at = (ending: string) => join(this.#folder, `${name}.${ending}`);
    openssl(
      ["req", ...NEW_KEY, "-keyout", at("key"), "-out", at("csr"), "-subj", `/CN=${name}`],
      ["-addext", `subjectAltName=${names}`],
      ["-addext", "extendedKeyUsage=serverAuth,clientAuth"],
    );
    openssl(
      ["x509", "-req", "-in", at("csr"), "-out", at("crt"), "-days", `${days}`],
      ["-CA", this.ca, "-CAkey", join(this.#folder, `${this.#name}.key`)],
      ["-copy_extensions", "copyall", "-set_serial", `${serialOf(name)}`],
    );
    return { cert: at("crt"), key: at("key") };
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Two certificates of one authority have different numbers. */
function serialOf(name: string): number {
  return [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_003, 7);
}

function openssl(...words: readonly (readonly string[])[]): void {
  execFileSync(tool("openssl"), words.flat(), { stdio: ["ignore", "pipe", "pipe"] });
}
