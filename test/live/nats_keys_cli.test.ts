/** `ctdbx nats creds | conf | user`: from nothing to a server with roles that real programs use, and all refusals. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeIdOfKey, tagOfKey } from "../../transport/nats_keys.ts";
import { readSecret } from "../../transport/real_nkeys.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { command, dataOf, DevCluster, eventually } from "./dev_rig.ts";
import { NatsRig, until } from "./nats.ts";
import { ctdbx } from "./process.ts";
import { hears, mayNotPublish } from "./roles_rig.ts";

interface Context {
  folder: string;
  rig: NatsRig;
}

/** What `nats creds` answers. */
interface Made {
  readonly role: string;
  readonly publicKey: string;
  readonly tag: string | null;
  readonly inbox: string;
  readonly file: string;
  readonly user: string;
}

const test = suite<Context>("ctdbx nats creds, conf, user");
const NODE_ID = nodeIdOfKey("UDRTQQIVTIJDD2RTM5QNJGR573NTXDBG3KF7JMR4OYPRMKLZNIZ7P22K");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-keys-cli-"));
  context.rig = new NatsRig();
});
test.after.each(async ({ rig, folder }) => {
  await rig.end();
  rmSync(folder, { recursive: true, force: true });
});

async function creds(folder: string, role: string, name: string): Promise<Made> {
  const file = join(folder, `${name}.nkey`);
  const words = `nats creds --role ${role} --name ${name} --cluster edge --out ${file} -o json`;
  const { exit, out, err } = await command(words);
  assert.is(exit, 0, err);
  return dataOf<Made>(out);
}

test("A key is made for its owner alone, is said once, and is never written over", async ({ folder }) => {
  const made = await creds(folder, "monitor", "grafana");
  assert.is(statSync(made.file).mode & 0o777, 0o600);
  const secret = readSecret(made.file);
  assert.equal(secret.kind === "nkey" && secret.publicKey, made.publicKey);
  assert.is(made.tag, tagOfKey(made.publicKey));
  assert.is(made.inbox, `_INBOX_${made.tag}`);
  assert.is(made.user, `monitor:grafana:${made.publicKey}`);
  const before = readFileSync(made.file, "utf8");
  const again = await command(`nats creds --role client --name grafana --out ${made.file}`);
  assert.is(again.exit, 4);
  assert.match(again.err, /may be somebody's key/);
  assert.is(readFileSync(made.file, "utf8"), before);
  assert.is((await creds(folder, "node", "n0")).tag, null);
  for (const words of ["--role boss --name x", "--role node", "--role node --name a/b"]) {
    assert.is((await command(`nats creds ${words}`)).exit, 2, words);
  }
});

test(
  "From keys to a server that holds everybody to his role",
  limit(60_000, async ({ folder, rig }) => {
    const server = tool("nats-server");
    const node = await creds(folder, "node", "n0");
    const web = await creds(folder, "client", "web");
    const users = ["--user", node.user.replace(":TAG", `:${NODE_ID}`), "--user", web.user];
    const more = ["--cluster", "edge", "--listen", "127.0.0.1:0", "--store", join(folder, "js")];
    const { exit, out, err } = await command(["nats", "conf", ...users, ...more]);
    assert.is(exit, 0, err);
    const conf = join(folder, "nats.conf");
    writeFileSync(conf, out);
    execFileSync(server, ["-t", "-c", conf], { stdio: "pipe" });
    const running = ctdbx(["nats", "server", "-o", "jsonl", "--quiet", "--conf", conf]);
    try {
      const { address } = JSON.parse(await running.lines.take());
      const [one, other] = [node, web].map(({ file }) =>
        rig.dial([address], { login: { keyFile: file } })
      );
      if (one === undefined || other === undefined) throw new Error("no buses");
      await Promise.all([until(one, "connected"), until(other, "connected")]);
      const tag = tagOf(NODE_ID);
      const asked = await hears(one, `ctdbx.edge.ask.${tag}.from.*`);
      const from = tagOfKey(web.publicKey);
      const subject = buildSubject({ cluster: "edge", class: "ask", to: tag, from });
      other.publish(subject, new Uint8Array(1));
      assert.is(await asked.take(), subject);
      await mayNotPublish(other, buildSubject({ cluster: "edge", class: "all", from }));
    } finally {
      running.signal("SIGTERM");
      assert.is(await running.ended, 0, running.err);
    }
  }),
);

/** Another last letter than it has. */
function misspelt(key: string): string {
  return `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
}

test("What a configuration cannot be made of is refused in its own words", async ({ folder }) => {
  const { publicKey } = await creds(folder, "client", "web");
  const cases: [string, number, RegExp][] = [
    [`--user client:web:${publicKey}`, 2, /--user needs --cluster/],
    [`--cluster edge --user node:n0:${publicKey}`, 2, /a node needs its tag or id/],
    [`--cluster edge --user client:web:${misspelt(publicKey)}`, 2, /no public key of a user/],
    [`--cluster edge --user boss:web:${publicKey}`, 2, /a role is node, monitor, client, admin/],
    [`--cluster edge --user client:web:${publicKey}:aaaaaaaaaa`, 2, /the tag of its key is/],
    [`--cluster edge --user client:web`, 2, /it must be role:name:key/],
    [
      `--cluster edge --user client:a:${publicKey} --user client:b:${publicKey}`,
      2,
      /a and b have the same/,
    ],
    [`--cluster a.b --user client:web:${publicKey}`, 2, /a cluster's name is/],
    [`--cluster edge --user client:web:${publicKey} --listen nowhere`, 2, /Cannot configure NATS/],
    [`--cluster edge --user client:web:${publicKey} --tls-cert /c`, 2, /go together/],
    [`--cluster edge --user client:web:${publicKey} --routes a:1`, 2, /need --cluster-listen/],
    [`--home ${folder}`, 3, /ctdbx\.toml/],
  ];
  for (const [words, exit, text] of cases) {
    const done = await command(`nats conf ${words}`);
    assert.is(done.exit, exit, `${words}: ${done.err}`);
    assert.match(done.err, text);
  }
});

test("The template of a role is what it may do, and no more", async () => {
  const { out, exit } = await command("nats conf --role monitor --cluster edge");
  assert.is(exit, 0);
  assert.match(out, 'publish: { deny: ">" }');
  assert.match(out, '"ctdbx.edge.ev.*.from.*"');
  assert.not.match(out, "listen");
  assert.match((await command("nats conf --role node")).out, "ctdbx.CLUSTER.n.*.from.TAG");
});

test.either(
  "A user of a cluster is added, listed, let in, removed and cut",
  limit(90_000, async ({ folder, rig }) => {
    const dev = await DevCluster.up(1);
    try {
      const file = join(folder, "dash.nkey");
      const added = await dev.json<{ tag: string; natsKey: string; file: string }>(
        `nats user add dash --role monitor --out ${file}`,
      );
      assert.is(added.file, file);
      const listed = await dev.json<{ name: string; natsKey: string }[]>("nats user list");
      assert.equal(listed.map(({ name }) => name).sort(), ["admin", "client", "dash", "monitor"]);
      const bus = rig.dial([`127.0.0.1:${dev.port}`], { login: { keyFile: file } });
      await until(bus, "connected");
      const heard = await hears(bus, "ctdbx.dev.ev.*.from.*");
      assert.match(await heard.take(), /^ctdbx\.dev\.ev\./);
      const twice = await dev.run(`nats user add dash --role client --out ${folder}/other.nkey`);
      assert.is(twice.exit, 4, twice.err);
      assert.not.ok(existsSync(join(folder, "other.nkey")));
      const conf = await dev.ok("nats conf");
      assert.match(conf, `nkey: ${added.natsKey}`);
      assert.is((await dev.run("nats user remove dash")).exit, 14);
      await dev.ok("nats user remove dash --yes");
      await until(bus, "disconnected");
      await eventually("it is told why", () => /it refuses key U/.test(bus.trouble ?? ""));
      assert.is((await dev.run("nats user remove dash --yes")).exit, 3);
      assert.not.match(await dev.ok("nats conf"), added.natsKey);
    } finally {
      await dev.down();
    }
  }),
);

test.run();
