/**
 * `ctdbx nats user ...`: who uses the bus beside the nodes, as the cluster's document has it.
 *
 *   add NAME --role monitor ──▶ NAME.nkey (0600) ──▶ the leader ──▶ document ──▶ servers that nodes keep let it in
 *
 * Does NOT promise: anything about servers that an operator keeps himself; `ctdbx nats conf` makes their configuration.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { isUserKey, tagOfKey } from "../../transport/nats_keys.ts";
import { USER_ROLES, type UserRole } from "../../transport/wire/messages/membership.ts";
import { readConfigFile } from "../config.ts";
import { declare, type Task } from "../declare.ts";
import { usage } from "../failure.ts";
import { object, type RowOf, rows } from "../result.ts";
import { maybe, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";
import { dropKey, makeKey } from "./nats_creds.ts";
import { declareQuestion } from "./question.ts";

interface AddFlags {
  readonly role: UserRole;
  readonly key?: string;
  readonly out?: string;
}

const USERS = rows({
  role: word("Role", "monitor hears events, client may ask, admin may change", USER_ROLES),
  name: text("User", "its name"),
  tag: text("Tag", "its sender in subjects"),
  natsKey: text("Public key", "by which servers know it"),
});
type User = RowOf<typeof USERS>;

const ADDED = object({
  role: word("Role", "what it may do", USER_ROLES),
  name: text("User", "its name"),
  tag: text("Tag", "its sender in subjects"),
  natsKey: text("Public key", "by which servers know it"),
  file: maybe(text("File", "where the secret is; null: the key was given")),
});
type Added = RowOf<typeof ADDED>;

const REMOVED = object({ name: text("User", "who is let in no more") });

/** Adds `user` to `ctdbx nats`. */
export function addNatsUserCommands(nats: Command, world: CommandWorld): void {
  const user = nats.command("user").description("who uses the bus beside the nodes");
  declareQuestion<object, User>(
    user.command("list").alias("ls").description("monitors, clients and operators that are let in"),
    world,
    { result: USERS },
    { verbs: ["user list"], data: ([answer]) => answer as User[] },
  );
  declare<AddFlags, Added>(
    user.command("add <name>").description("let somebody in; makes a key, unless one is given")
      .addOption(
        new Option("--role <role>", "what it may do").choices(USER_ROLES).makeOptionMandatory(),
      )
      .addOption(
        new Option("--key <key>", "its public key (U...), when it has one").conflicts("out"),
      )
      .option("--out <file>", "where the secret of a new key is written; default: NAME.nkey"),
    world,
    { result: ADDED, asks: "node", changes: true },
    add,
  );
  declare<object, RowOf<typeof REMOVED>>(
    user.command("remove <name>").description("let somebody in no more; its connections are cut"),
    world,
    {
      result: REMOVED,
      asks: "node",
      changes: true,
      destroys: "programs that use its key are cut off",
    },
    async (task, name = "") => {
      const asked = await Asked.of(task.flags);
      await task.confirm(`Cuts off who uses the key of ${name}`);
      await asked.ask("user remove", { name });
      if (task.out.isTable) task.out.say(`${name} is let in no more\n`);
      else task.out.object({ name });
    },
  );
}

async function add(task: Task<AddFlags, Added>, name = ""): Promise<void> {
  const { flags, out } = task;
  const { role, key } = flags;
  if (key !== undefined && !isUserKey(key)) {
    throw usage(`Cannot add ${name}: "${key}" is no public key of a user (U...)`);
  }
  const asked = await Asked.of(flags);
  const made = key === undefined
    ? makeKey({ role, name, cluster: readConfigFile(asked.paths.config).cluster, out: flags.out })
    : undefined;
  const natsKey = key ?? made?.publicKey ?? "";
  try {
    await asked.ask("user add", { role, name, natsKey });
  } catch (error) {
    // What was surely refused leaves no secret behind that opens nothing.
    if (made !== undefined) dropKey(made, error);
    throw error;
  }
  out.object({ role, name, tag: tagOfKey(natsKey), natsKey, file: made?.file });
}
