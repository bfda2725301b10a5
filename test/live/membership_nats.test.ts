/** Clusters on TLS, on a server of the operator's own, elsewhere than said, on a small disk, and of format 1. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { genesis } from "../../actors/machines/cluster/document.ts";
import { readConfigFile } from "../../cli/config.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { invitationText, parseInvitation } from "../../cli/membership/invitation.ts";
import { NodeFiles } from "../../cli/membership/node_files.ts";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { Authority } from "./certificates.ts";
import { command, eventually } from "./dev_rig.ts";
import { Lab } from "./member_rig.ts";
import { freePorts } from "./nats.ts";
import { Process } from "./process.ts";

interface Context {
  labs: Lab[];
  folder: string;
}

const test = suite<Context>("live membership and NATS");

test.before((context) => {
  context.labs = [];
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-member-"));
});
test.after.each(async ({ labs }) => {
  for (const lab of labs.splice(0)) await lab.end();
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test.either(
  "on a server of the operator's own: files first, then its users from `nats conf`, then the daemons",
  limit(90_000, async ({ labs }) => {
    const lab = await Lab.empty();
    labs.push(lab);
    const [port = 0] = await freePorts(1);
    const conf = join(lab.folder, "nats.conf");
    const key = join(lab.folder, "n0.nkey");
    const listen = ["--listen", `127.0.0.1:${port}`, "--store", join(lab.folder, "js")];
    const printed = async () => writeFileSync(conf, await lab.ok(["nats", "conf", ...listen]));
    const made = await command(["nats", "creds", "--role", "node", "--name", "n0", "--out", key]);
    assert.is(made.exit, 0, made.err);
    const servers = ["--servers", `127.0.0.1:${port}`, "--nkey", key, "--no-start"];
    const created = await command(lab.createWords(servers));
    assert.is(created.exit, 0, created.err);
    await printed();
    const server = new Process([tool("nats-server"), "-c", conf]);
    try {
      await lab.ok("daemon start --wait");
      const said = await lab.ok(["cluster", "invite", "n1", "--out", lab.file("n1")]);
      assert.match(said, "must know its key");
      const unknown = await lab.refused(EXIT.denied, ["cluster", "join", lab.file("n1")], "n1");
      assert.match(unknown, "refuses key");
      await printed();
      server.signal("SIGHUP");
      await lab.join("n1");
      assert.equal((await lab.names("n1")).voters, ["n0", "n1"]);
    } finally {
      await server.end();
    }
  }),
);

test.either(
  "with TLS, the authority in the invitation: NATS elsewhere, a small disk, the node that carries all are told first",
  limit(90_000, async ({ labs, folder }) => {
    const authority = Authority.make(folder, "ca");
    const { cert, key } = authority.issue("server", "IP:127.0.0.1");
    const tls = ["--tls-cert", cert, "--tls-key", key, "--tls-ca", authority.ca];
    const lab = await Lab.create(tls);
    labs.push(lab);
    const file = await lab.invite("n1", "--addr", "127.0.0.1:7777");
    const invitation = parseInvitation(readFileSync(file, "utf8"), file);
    const [right = ""] = invitation.servers;
    const [closed = 0] = await freePorts(1);
    writeFileSync(file, invitationText({ ...invitation, servers: [`127.0.0.1:${closed}`] }));
    const err = await lab.refused(EXIT.other, ["cluster", "join", file], "n1");
    assert.match(err, "nothing listens there");
    assert.match(err, "--server HOST:PORT names others");
    await lab.join("n1", "--server", right);
    const { nats } = readConfigFile(lab.paths("n1").config);
    assert.equal(nats.servers, [right]);
    // It trusts the authority that the invitation carried.
    const { ca = "" } = nats.tls ?? {};
    assert.is(readFileSync(ca, "utf8"), readFileSync(authority.ca, "utf8"));
    assert.equal(await lab.names("n1"), { nodes: ["n0", "n1"], voters: ["n0", "n1"] });
    assert.is((await lab.view()).nodes[1]?.addr, "127.0.0.1:7777");
    await onSmallDisk(folder, async (mount) => {
      await lab.invite("n2");
      const words = ["cluster", "join", lab.file("n2"), "--home", join(mount, "n2")];
      const joined = await command([...words, "--server", right]);
      assert.is(joined.exit, EXIT.noSpace, joined.err);
      assert.match(joined.err, /only \d MiB are free .* 64 MiB must be/);
      const created = await command(["cluster", "create", "tiny", "--home", join(mount, "n0")]);
      assert.is(created.exit, EXIT.noSpace, created.err);
      assert.equal(readdirSync(mount), []);
    });
    assert.equal((await lab.names()).nodes, ["n0", "n1"]);
    // Whoever carries all of it is not taken out by mistake, from wherever it is asked.
    for (const asked of ["n0", "n1"]) {
      const refusal = await lab.refused(EXIT.conflict, "cluster leave n0 --yes", asked);
      assert.match(refusal, /the cluster is carried by its nats-server/);
    }
  }),
);

test.either(
  "a cluster of format 1: inviting says that it must be upgraded; that asks, is done once, and then it works",
  limit(60_000, async ({ labs }) => {
    const lab = await Lab.empty();
    labs.push(lab);
    const created = await command(lab.createWords(["--no-start"]));
    assert.is(created.exit, 0, created.err);
    await makeOld(lab);
    await lab.ok("daemon start --wait");
    const refusal = await lab.refused(EXIT.version, ["cluster", "invite", "n1"]);
    assert.match(refusal, "this needs format 2: `ctdbx cluster upgrade --finalize`");
    const before = await lab.json<{ format: number; ready: boolean }>("cluster upgrade");
    assert.equal([before.format, before.ready], [1, true]);
    assert.is((await lab.run("cluster upgrade --finalize")).exit, EXIT.needsYes);
    for (let times = 0; times < 2; times++) {
      const { format } = await lab.json<{ format: number }>("cluster upgrade --finalize --yes");
      assert.is(format, 2);
    }
    await lab.add("n1");
    assert.equal((await lab.names("n1")).voters, ["n0", "n1"]);
  }),
);

/** Puts a first document of format 1 into a home that was not started yet. */
async function makeOld(lab: Lab): Promise<void> {
  const files = new NodeFiles(lab.paths("n0"));
  const { nodeId, diskId } = files.identity() ?? {};
  const clusterId = files.document()?.clusterId;
  if (nodeId === undefined || diskId === undefined || clusterId === undefined) throw new Error();
  const nodes = [{ nodeId, name: "n0", addr: "127.0.0.1:4379", isVoter: true }];
  await files.writeMeta(diskId, genesis({ clusterId, nodes }));
}

/** Works on a file system that is nearly full, where the user may mount one. */
async function onSmallDisk(folder: string, work: (mount: string) => Promise<void>): Promise<void> {
  const mount = join(folder, "small");
  mkdirSync(mount);
  const options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", mount];
  if (spawnSync("mount", options).status !== 0) return;
  try {
    await work(mount);
  } finally {
    await eventually("it is free again", () => spawnSync("umount", [mount]).status === 0);
  }
}

test.run();
