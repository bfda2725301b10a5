/**
 * `ctdbx nats creds`: a key for somebody who is to speak on the bus.
 *
 *   creds --role monitor --name grafana ──▶ grafana.nkey (0600, the secret)   public key, tag: for `nats conf --user`
 *
 * Does NOT promise: that any server lets the key in; a server's configuration, or the cluster's document, says who.
 */

import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import { inboxOfKey, tagOfKey } from "../../transport/nats_keys.ts";
import { NATS_ROLES, type NatsRole } from "../../transport/nats_roles.ts";
import { keyFileText, newNkey } from "../../transport/real_nkeys.ts";
import { isClusterName } from "../../transport/wire/subjects.ts";
import { declare } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, reportOf, systemFailure, usage } from "../failure.ts";
import { object, type RowOf } from "../result.ts";
import { maybe, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";

/** A key that is wanted. */
export interface KeyWish {
  readonly role: NatsRole;
  readonly name: string;
  readonly cluster?: string | undefined;
  /** Path of its file; default: NAME.nkey. */
  readonly out?: string | undefined;
}

/** A key that was made. */
export interface MadeKey {
  readonly publicKey: string;
  /** Absolute path of its secret. */
  readonly file: string;
}

const CREDS = object({
  role: word("Role", "what its owner may do", NATS_ROLES),
  name: text("Name", "for people"),
  publicKey: text("Public key", "by which a server knows it; no secret"),
  tag: maybe(text("Tag", "its sender in subjects; null: a node's comes from its identity")),
  inbox: text("Inbox", "first token of the subjects that answers to it come to"),
  file: text("File", "where the secret is; mode 0600"),
  user: text(
    "For --user",
    "the argument of `ctdbx nats conf --user`; a node's tag is missing in it",
  ),
});

/** Adds `creds` to `ctdbx nats`. */
export function addNatsCredsCommand(nats: Command, world: CommandWorld): void {
  declare<KeyWish, RowOf<typeof CREDS>>(
    nats.command("creds")
      .description("make a key for somebody on the bus")
      .addOption(
        new Option("--role <role>", "what its owner may do").choices(NATS_ROLES)
          .makeOptionMandatory(),
      )
      .requiredOption("--name <name>", "its name, for people")
      .option("--cluster <cluster>", "name of the cluster, noted in the file")
      .option("--out <file>", "where the secret is written; default: NAME.nkey"),
    world,
    { result: CREDS },
    ({ flags, out }) => {
      const { role, name } = flags;
      const { publicKey, file } = makeKey(flags);
      const tag = role === "node" ? undefined : tagOfKey(publicKey);
      const user = `${role}:${name}:${publicKey}${role === "node" ? ":TAG" : ""}`;
      out.object({ role, name, publicKey, tag, inbox: inboxOfKey(publicKey), file, user });
    },
  );
}

/** A new key and the file of its secret. Throws Failure; then there is no file. */
export function makeKey({ role, name, cluster, out }: KeyWish): MadeKey {
  if (!/^[A-Za-z0-9._-]{1,63}$/.test(name) || name.startsWith(".")) {
    throw usage(`Cannot use "${name}" as a name: 1 to 63 of A-Z a-z 0-9 . _ -, no dot first`);
  }
  if (cluster !== undefined && !isClusterName(cluster)) {
    throw usage(`Cannot use "${cluster}" as the name of a cluster: 1 to 63 of A-Z a-z 0-9 _ -`);
  }
  const { seed, publicKey } = newNkey();
  const file = resolve(out ?? `${name}.nkey`);
  writeSecret(file, keyFileText({ role, name, cluster, seed }));
  return { publicKey, file };
}

/** Removes the file of a key that was refused for sure; of one that may be let in it stays. */
export function dropKey({ file }: MadeKey, error: unknown): void {
  if (reportOf(error).exit !== EXIT.unknownOutcome) rmSync(file, { force: true });
}

/** Writes a file that was not there, for its owner alone. Throws Failure. */
function writeSecret(file: string, text: string): void {
  try {
    const handle = openSync(file, "wx", 0o600);
    try {
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") {
      throw systemFailure(error, `Cannot write ${file}`);
    }
    throw new Failure(
      EXIT.conflict,
      `Cannot write ${file}: it is there, and may be somebody's key`,
      "name another file with --out",
    );
  }
}
