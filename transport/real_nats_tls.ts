/**
 * What can be wrong with TLS to a NATS server, in words that lead somewhere.
 *
 *   code and text of a runtime ─▶ which of the few things that go wrong ─▶ what to do
 *
 * Does NOT promise: to know all words of both runtimes; what is not known is told as it is.
 */
import { systemCode } from "./real_errors.ts";

/** It demands what was not asked for. */
export const TLS_DEMANDED = "it demands TLS: name its authority in [nats] tls = { ca = ... }";
/** TLS 1.3 judges our certificate after the handshake; the alert is lost when we write into a closed socket. */
export const TLS_CUT =
  "it hangs up as soon as TLS stands: perhaps it wants a certificate of ours that it trusts: tls.cert and tls.key";
/** It has not what was asked for. */
export const TLS_LACKING = "it does not speak TLS, which [nats] tls asks for";
/** What can be wrong with TLS, by the words of the runtimes. */
const TLS_WORDS: readonly (readonly [RegExp, (name: string) => string])[] = [
  [
    /CERT_HAS_EXPIRED|certificate (?:has )?expired|Expired/i,
    () => "its certificate has expired; a new one, or the clock here is wrong",
  ],
  [
    /NOT_YET_VALID|not yet valid|NotValidYet/i,
    () => "its certificate is not valid yet; is the clock here right?",
  ],
  [
    /ALTNAME|altnames|not valid for name|NotValidForName/i,
    (name) => `its certificate is not for ${name}; a new one, or tls.server_name`,
  ],
  [
    /SELF_SIGNED|self.signed|UNABLE_TO|unable to|UnknownIssuer|issuer|UNTRUSTED/i,
    () => "its certificate is of an authority that is not trusted; is tls.ca the right one?",
  ],
  [
    /certificate.required|bad.certificate|handshake.failure|CertificateRequired/i,
    () => "it wants a certificate of ours that it trusts: tls.cert and tls.key",
  ],
  [
    /KEY_VALUES_MISMATCH|no.start.line|PEM|Invalid CA|asn1|bad base64|invalid.*(?:key|cert)/i,
    () => "a file of ours is no certificate or key, or they do not belong together",
  ],
];

/** Why TLS does not stand, for people: the runtimes have words and codes of their own. */
export function tlsWords(error: unknown, name: string): string {
  const code = systemCode(error as Error) ?? "";
  const text = `${code} ${error instanceof Error ? error.message : String(error)}`;
  const found = TLS_WORDS.find(([form]) => form.test(text));
  return `TLS fails: ${found?.[1](name) ?? text.trim()}`;
}
