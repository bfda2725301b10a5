/** Files of secrets: what they hold, and which are refused. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAccount, fromPublic } from "@nats-io/nkeys";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tagOfKey } from "../../transport/nats_keys.ts";
import { readLogin } from "../../transport/real_nats_login.ts";
import {
  keyFileText,
  newNkey,
  publicKeyOf,
  readSecret,
  signWith,
} from "../../transport/real_nkeys.ts";
import { throwsCode } from "../contracts/port_fixture.ts";

const test = suite<{ folder: string }>("files of secrets");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-keys-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

function put(folder: string, text: string, mode = 0o600): string {
  const path = join(folder, "x.nkey");
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

/** Of another kind. */
const createAccountSeed = (): string => new TextDecoder().decode(createAccount().getSeed());

/** A seed whose last character, which belongs to its checksum, is another one. */
function damaged(seed: string): string {
  return seed.slice(0, -1) + (seed.endsWith("A") ? "E" : "A");
}

test("the file of a key is read again as it was made; its comments say whose it is", ({ folder }) => {
  const { seed, publicKey } = newNkey();
  const text = keyFileText({ role: "monitor", name: "grafana", cluster: "edge", seed });
  for (
    const part of [
      "# role: monitor",
      "# name: grafana",
      "# cluster: edge",
      `# public: ${publicKey}`,
    ]
  ) {
    assert.ok(text.includes(`${part}\n`), part);
  }
  assert.ok(text.includes(`# tag: ${tagOfKey(publicKey)}\n`));
  assert.not.ok(keyFileText({ role: "node", name: "n0", seed }).includes("# tag"));
  assert.equal(readSecret(put(folder, text)), { kind: "nkey", seed, publicKey });
  // As other programs write it.
  assert.equal(readSecret(put(folder, `${seed}\n`)), { kind: "nkey", seed, publicKey });
  assert.equal(readSecret(put(folder, `  ${seed}  `, 0o640)), { kind: "nkey", seed, publicKey });
});

test("keys and signatures are those of the library", () => {
  for (let round = 0; round < 20; round++) {
    const { seed, publicKey } = newNkey();
    assert.is(publicKeyOf(seed), publicKey);
    const nonce = new TextEncoder().encode(`nonce ${round}`);
    const signature = signWith(seed, nonce);
    assert.ok(fromPublic(publicKey).verify(nonce, signature));
    signature[round] = (signature[round] ?? 0) ^ 1;
    assert.not.ok(fromPublic(publicKey).verify(nonce, signature));
  }
  for (const bad of ["", "SU", "x".repeat(58), createAccountSeed(), damaged(newNkey().seed)]) {
    throwsCode(() => publicKeyOf(bad), "config");
    throwsCode(() => signWith(bad, new Uint8Array(1)), "config");
  }
});

test("credentials of an operator's own system are told apart", ({ folder }) => {
  const text = "-----BEGIN NATS USER JWT-----\neyJ\n------END NATS USER JWT------\n";
  assert.is(readSecret(put(folder, text)).kind, "creds");
});

test("a file that everybody can read is refused, and so is what holds no key", ({ folder }) => {
  const { seed } = newNkey();
  throwsCode(
    () => readSecret(put(folder, seed, 0o644)),
    "denied",
    /everybody can read it; chmod 600/,
  );
  throwsCode(() => readSecret(put(folder, "")), "config", /holds no key/);
  throwsCode(() => readSecret(put(folder, damaged(seed))), "config", /damaged/);
  throwsCode(() => readSecret(put(folder, "x".repeat(70_000))), "config", /longer than/);
  throwsCode(() => readSecret(join(folder, "none")), "not_found", /no such file/);
});

test("no error holds the secret", ({ folder }) => {
  const { seed } = newNkey();
  const broken = damaged(seed);
  try {
    readSecret(put(folder, broken));
    assert.unreachable();
  } catch (error) {
    for (
      let at = error as Error | undefined;
      at !== undefined;
      at = at.cause as Error | undefined
    ) {
      assert.not.match(`${at.message} ${at.stack}`, broken.slice(2, 20));
    }
  }
});

test("a log-in is read from its files, with the inbox of its key", ({ folder }) => {
  const { seed, publicKey } = newNkey();
  const login = readLogin({ keyFile: put(folder, seed) });
  assert.is(login.inboxPrefix, `_INBOX_${tagOfKey(publicKey)}`);
  assert.is(login.owner, `key ${publicKey}`);
  assert.is(readLogin({ seed, inbox: "_INBOX_mine" }).inboxPrefix, "_INBOX_mine");
  assert.equal(readLogin({ user: "u", password: "p" }), { owner: "user u", user: "u", pass: "p" });
  assert.equal(readLogin({ token: "t" }), { owner: "the token", token: "t" });
  assert.equal(readLogin({}), { owner: "a client without credentials" });
});

test("files of TLS that are none are named", ({ folder }) => {
  const path = put(folder, "no pem");
  throwsCode(() => readLogin({ tls: { ca: path } }), "config", /x\.nkey: it holds no certificate/);
  throwsCode(() => readLogin({ tls: { key: path } }), "config", /x\.nkey: it holds no private key/);
  throwsCode(() => readLogin({ tls: { ca: "/none/x" } }), "not_found", /\/none\/x/);
  const open = put(folder, "-----BEGIN PRIVATE KEY-----\n", 0o644);
  throwsCode(() => readLogin({ tls: { key: open } }), "denied", /everybody can read it/);
});

test.run();
