/**
 * Who may say and hear what on the bus: permissions by role, as data and as text of a nats-server's configuration.
 *
 *   node      says what is from itself, to nodes, databases and monitors; hears its own mail; reaches the lock
 *   monitor   hears events, says nothing
 *   client    asks nodes and uses databases through them, hears the answers and events
 *   admin     the same on the bus; nodes let it ask for more
 *   gone      a node that has left: may ask nodes how things are, and so hear that it has left
 *
 * The sender stands in each subject, so "only as itself" is a matter of subjects, and the server enforces it. JetStream
 * has an account of its own: what a stream could be made to copy, to send or to swallow is that account's only. The
 * services that lead into it are all about the lock's bucket.
 *
 *   account CTDBX { users, imports } ──▶ account CTDBX_LOCK { JetStream }
 *      $JS.API.INFO    $JS.API.STREAM.{INFO,CREATE,UPDATE,MSG.GET}.KV_ctdbx_CLUSTER    $KV.ctdbx_CLUSTER.leader
 *
 * Does NOT promise: secrecy between nodes in what goes to all; nor anything against who can change the server's files.
 */
import { inboxOfKey, isUserKey, tagOfKey } from "./nats_keys.ts";
import { isClusterName } from "./wire/subjects.ts";
import { type NodeId, type Tag, tagOf } from "./wire/terms.ts";

/** What somebody on the bus is. */
export const NATS_ROLES = ["node", "monitor", "client", "admin"] as const;
/** One of NATS_ROLES. */
export type NatsRole = (typeof NATS_ROLES)[number];

/** What somebody is in a list: what one can be made, or was. */
export type ListedRole = NatsRole | "gone";

/** Somebody who may connect. */
export interface NatsUser {
  readonly role: ListedRole;
  /** For people: 1 to 63 of A-Z a-z 0-9 . _ -. */
  readonly name: string;
  /** Public key, U and 55 more. */
  readonly key: string;
  /** Its tag in subjects: a node's comes from its id, another's from its key. */
  readonly tag: Tag;
}

/** Subjects that somebody may use; what is not listed is refused. */
export interface Permissions {
  /** Empty: nothing at all. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** May it answer whoever asks it, wherever the answer is wanted, and go on for ANSWER_TIME? */
  readonly answers: boolean;
}

/** The accounts of a configuration with roles. */
export const ACCOUNT = "CTDBX";
export const LOCK_ACCOUNT = "CTDBX_LOCK";
/** Users of one server: nodes, invitations, and all others. */
export const NATS_USERS_MAX = 4096;
/** A question can be answered for so long, as often as need be: a program's session is one reply subject. */
const ANSWER_TIME = "2m";

/** What a document says of those who may connect; every document does. */
export interface UsersDocument {
  readonly nodes: readonly UsersNode[];
  readonly invitations?: readonly UsersNode[] | undefined;
  readonly gone?: readonly UsersNode[] | undefined;
  readonly users?:
    | readonly {
      readonly role: Exclude<NatsRole, "node">;
      readonly name: string;
      readonly natsKey: string;
    }[]
    | undefined;
}

/** A node, or one that is invited. */
export interface UsersNode {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly natsKey?: string | undefined;
}

/**
 * Everybody that a document lets connect: its nodes, those invited, its users, those that went. A key or a tag that is
 * there twice counts once, as what it was named first; what is no key is left out.
 */
export function natsUsersOf(doc: UsersDocument): NatsUser[] {
  const { nodes, invitations = [], users = [], gone = [] } = doc;
  const all: NatsUser[] = [...nodes, ...invitations].flatMap((node) => nodeUser("node", node));
  for (const { role, name, natsKey } of users) {
    if (isUserKey(natsKey)) all.push({ role, name, key: natsKey, tag: tagOfKey(natsKey) });
  }
  all.push(...gone.flatMap((node) => nodeUser("gone", node)));
  const seen = new Set<string>();
  return all.filter(({ key, tag }) => {
    if (seen.has(key) || seen.has(tag)) return false;
    seen.add(key).add(tag);
    return true;
  });
}

function nodeUser(role: "node" | "gone", { name, nodeId, natsKey }: UsersNode): NatsUser[] {
  if (natsKey === undefined || !isUserKey(natsKey)) return [];
  return [{ role, name, key: natsKey, tag: tagOf(nodeId) }];
}

/** What a role may do. `tag` and `inbox` are tokens; those of a template are words of one's own. */
export function permissionsOf(
  role: ListedRole,
  cluster: string,
  { tag, inbox }: { readonly tag: string; readonly inbox: string },
): Permissions {
  checkCluster(cluster);
  const root = `ctdbx.${cluster}`;
  const inboxes = `${inbox}.>`;
  const events = [`${root}.ev.*.from.*`, `${root}.ev.cbor.*.from.*`];
  switch (role) {
    case "node":
      return {
        publish: [
          `${root}.n.*.from.${tag}`,
          `${root}.all.from.${tag}`,
          `${root}.db.*.from.${tag}`,
          `${root}.ask.*.from.${tag}`,
          `${root}.r.*.from.${tag}`,
          `${root}.cl.*.from.${tag}`,
          `${root}.ev.*.from.${tag}`,
          `${root}.ev.cbor.*.from.${tag}`,
          ...lockServices(cluster),
        ],
        subscribe: [
          `${root}.n.${tag}.from.*`,
          `${root}.all.from.*`,
          `${root}.db.*.from.*`,
          `${root}.ask.${tag}.from.*`,
          `${root}.r.${tag}.from.*`,
          `${root}.r.all.from.*`,
          `${root}.cl.${tag}.from.*`,
          `${root}.cl.any.from.*`,
          ...events,
          lockKey(cluster),
          inboxes,
        ],
        answers: true,
      };
    case "monitor":
      return { publish: [], subscribe: events, answers: false };
    case "gone":
      return {
        publish: [`${root}.n.*.from.${tag}`],
        subscribe: [`${root}.n.${tag}.from.*`, inboxes],
        answers: false,
      };
    case "client":
    case "admin":
      return {
        publish: [`${root}.ask.*.from.${tag}`, `${root}.cl.*.from.${tag}`],
        subscribe: [...events, inboxes],
        answers: false,
      };
  }
}

/** The name of the lock's bucket; its stream is KV_ and this. */
export function lockBucket(cluster: string): string {
  checkCluster(cluster);
  return `ctdbx_${cluster}`;
}

/** The subject of the lock's record. */
export function lockKey(cluster: string): string {
  return `$KV.${lockBucket(cluster)}.leader`;
}

/** All that the lock needs of JetStream: to look, to make the bucket, to give it more copies, and to write its key. */
export function lockServices(cluster: string): string[] {
  const stream = `KV_${lockBucket(cluster)}`;
  const verbs = ["STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE", "STREAM.MSG.GET"];
  const services = verbs.map((verb) => `$JS.API.${verb}.${stream}`);
  return ["$JS.API.INFO", ...services, lockKey(cluster)];
}

/**
 * The text of users, to be included inside of their account: `users: [...]`. Throws RangeError on a name, key or tag of
 * another form, on a key or a tag that two have, and above NATS_USERS_MAX.
 */
export function usersText(cluster: string, users: readonly NatsUser[]): string {
  if (users.length > NATS_USERS_MAX) {
    throw wrong(`${users.length} users; NATS_USERS_MAX is ${NATS_USERS_MAX}`);
  }
  const owners = new Map<string, string>();
  for (const user of users) {
    checkUser(user);
    for (const mark of [user.key, user.tag]) {
      const owner = owners.get(mark);
      // A node that takes another's place has the same name, not the same tag.
      if (owner !== undefined) throw wrong(`${owner} and ${user.name} have the same ${mark}`);
      owners.set(mark, user.name);
    }
  }
  return `users: [\n${users.map((user) => userText(cluster, user)).join("")}]\n`;
}

function userText(cluster: string, { role, name, key, tag }: NatsUser): string {
  const permissions = permissionsOf(role, cluster, { tag, inbox: inboxOfKey(key) });
  const text = indented(permissionsText(permissions), "    ");
  return `  # ${role} ${name}, ${tag}\n  {\n    nkey: ${key}\n${text}  }\n`;
}

/** The text of permissions, as it stands in a user. */
export function permissionsText({ publish, subscribe, answers }: Permissions): string {
  // An empty list of what is allowed allows everything.
  const say = publish.length === 0 ? `{ deny: ">" }` : `{\n${listText(publish)}  }`;
  const lines = [
    "permissions: {",
    `  publish: ${say}`,
    `  subscribe: {\n${listText(subscribe)}  }`,
  ];
  if (answers) lines.push(`  allow_responses: { max: -1, expires: "${ANSWER_TIME}" }`);
  return [...lines, "}", ""].join("\n");
}

function listText(subjects: readonly string[]): string {
  return `    allow: [\n${subjects.map((subject) => `      "${subject}"\n`).join("")}    ]\n`;
}

/** The accounts: `users` is what stands in the first for its users. `hasStore`: this server keeps streams. */
export function accountsText(cluster: string, users: string, hasStore: boolean): string {
  const services = lockServices(cluster);
  const imports = services.map((subject) =>
    `      { service: { account: ${LOCK_ACCOUNT}, subject: "${subject}" } }\n`
  );
  const exports = services.map((subject) =>
    `      { service: "${subject}", accounts: [ ${ACCOUNT} ] }\n`
  );
  return `accounts {
  ${ACCOUNT} {
${indented(users, "    ")}    imports: [
${imports.join("")}    ]
  }
  ${LOCK_ACCOUNT} {
${hasStore ? "    jetstream: enabled\n" : ""}    exports: [
${exports.join("")}    ]
  }
}`;
}

function indented(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by);
}

function checkCluster(cluster: string): void {
  if (isClusterName(cluster)) return;
  throw wrong(`a cluster's name is 1 to 63 of A-Z a-z 0-9 _ -, is ${JSON.stringify(cluster)}`);
}

function checkUser({ role, name, key, tag }: NatsUser): void {
  const shown = JSON.stringify(name);
  if (!/^[A-Za-z0-9._-]{1,63}$/.test(name)) {
    throw wrong(`a user's name is 1 to 63 of A-Z a-z 0-9 . _ -, is ${shown}`);
  }
  if (!isUserKey(key)) throw wrong(`the key of ${name} is no public key of a user (U...)`);
  if (!/^[a-z2-7]{10}$/.test(tag)) throw wrong(`the tag of ${name} is no tag: 10 of a-z 2-7`);
  if (role !== "node" && role !== "gone" && tag !== tagOfKey(key)) {
    throw wrong(`the tag of ${name} is not that of its key: only nodes have one of their own`);
  }
}

function wrong(why: string): RangeError {
  return new RangeError(`Cannot give permissions: ${why}`);
}
