/** The file of an invitation: what is written is read again; what is cut, changed, newer or none is refused. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EXIT } from "../../../cli/exit_codes.ts";
import { Failure } from "../../../cli/failure.ts";
import {
  type Invitation,
  INVITATION_VERSION,
  invitationText,
  keyOf,
  markOf,
  parseInvitation,
} from "../../../cli/membership/invitation.ts";
import { newNkey } from "../../../transport/real_nkeys.ts";
import type { ClusterId, NodeId } from "../../../transport/wire/terms.ts";

const test = suite("cli/membership/invitation");

const { seed, publicKey } = newNkey();
const WHOLE: Invitation = {
  cluster: "lab",
  clusterId: "1".repeat(32) as ClusterId,
  inviteId: "2".repeat(32),
  name: "n3",
  pnn: 3,
  nodeId: "3".repeat(32) as NodeId,
  format: 2,
  expiresWallMs: 1_800_000_000_000,
  voter: true,
  replaces: { pnn: 1, name: "n1" },
  addr: null,
  servers: ["10.0.0.1:4222", "[::1]:4222"],
  ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  seed,
  seeds: [{ nodeId: "4".repeat(32) as NodeId, name: "n0" }],
  lock: { kind: "file", path: "/srv/lock" },
  madeBy: "0.1.0",
};

function refusal(text: string): Failure {
  try {
    parseInvitation(text, "F");
  } catch (error) {
    assert.instance(error, Failure);
    return error as Failure;
  }
  throw new Error("it was taken");
}

/** The text of an invitation of another content, with the right checksum. */
function made(change: object): string {
  return invitationText({ ...WHOLE, ...change });
}

test("what is written is read again; the public key follows from the seed", () => {
  assert.equal(parseInvitation(invitationText(WHOLE), "F"), WHOLE);
  assert.is(keyOf(WHOLE), publicKey);
  const bare = {
    ...WHOLE,
    seed: null,
    ca: null,
    replaces: null,
    lock: { kind: "jetstream" as const },
  };
  assert.equal(parseInvitation(invitationText(bare), "F"), bare);
  assert.is(keyOf(bare), undefined);
});

test("another order of fields and other blanks are the same invitation", () => {
  const fields = Object.entries(JSON.parse(invitationText(WHOLE))).reverse();
  assert.equal(parseInvitation(JSON.stringify(Object.fromEntries(fields)), "F"), WHOLE);
});

test("cut anywhere, it is refused; a cut in JSON says so", () => {
  const text = invitationText(WHOLE);
  for (let length = 0; length < text.trimEnd().length; length += 7) {
    const { exit } = refusal(text.slice(0, length));
    assert.ok(exit === EXIT.conflict || exit === EXIT.usage, `${length}: ${exit}`);
  }
  const { exit, message } = refusal(text.slice(0, 400));
  assert.is(exit, EXIT.conflict);
  assert.match(message, "cut or damaged");
});

test("each single changed character is noticed", () => {
  const text = invitationText(WHOLE);
  let noticed = 0;
  for (let at = 0; at < text.length; at++) {
    const was = text.charCodeAt(at);
    // Blanks between values mean nothing.
    if (was <= 32) continue;
    const other = String.fromCharCode(was === 0x61 ? 0x62 : 0x61);
    const { exit } = refusal(`${text.slice(0, at)}${other}${text.slice(at + 1)}`);
    assert.ok([EXIT.conflict, EXIT.usage].some((each) => each === exit), `${at}: ${exit}`);
    noticed++;
  }
  assert.ok(noticed > 500);
});

test("a newer form is a matter of versions, not of damage", () => {
  const newer = {
    ...JSON.parse(invitationText(WHOLE)),
    "ctdbx-invitation": INVITATION_VERSION + 1,
  };
  const { exit, hint } = refusal(JSON.stringify(newer));
  assert.is(exit, EXIT.version);
  assert.match(hint ?? "", "install the version");
});

test("what is no invitation is a wrong argument", () => {
  for (const text of ["", "{}", "[]", "null", "7", "hello", '{"a":1}', "\u0000\u0001"]) {
    assert.is(refusal(text).exit, EXIT.usage, text);
  }
});

for (
  const [field, value] of Object.entries({
    cluster: "a.b",
    clusterId: "1".repeat(31),
    inviteId: "G".repeat(32),
    name: "-n",
    pnn: -1,
    nodeId: 7,
    format: "2",
    expiresWallMs: 1.5,
    voter: "yes",
    replaces: { pnn: 1 },
    addr: "nowhere",
    servers: [],
    ca: "a certificate",
    seed: seed.slice(0, -1),
    seeds: [],
    lock: { kind: "file", path: "relative" },
    madeBy: "",
  })
) {
  test(`a checksum does not make ${field} right`, () => {
    const { exit, message } = refusal(made({ [field]: value }));
    assert.is(exit, EXIT.conflict);
    assert.match(message, `${field} is missing or has another form`);
  });
}

test("the seed of another kind of key, or with a wrong digit, is none", () => {
  const wrong = `${seed.slice(0, 10)}${seed[10] === "A" ? "B" : "A"}${seed.slice(11)}`;
  assert.match(refusal(made({ seed: wrong })).message, "seed is missing or has another form");
  assert.match(refusal(made({ seed: publicKey })).message, "seed is missing or has another form");
});

test("the mark tells invitations apart and does not tell the secret", () => {
  assert.is.not(markOf(WHOLE), markOf({ inviteId: "5".repeat(32) }));
  assert.is(markOf(WHOLE), markOf({ ...WHOLE }));
  assert.not.match(markOf(WHOLE), WHOLE.inviteId);
});

test.run();
