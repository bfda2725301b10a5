/** Messages of sock_diag, byte by byte as the headers of the kernel have them; errors of raw sockets. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Libc } from "../../transport/ffi.ts";
import { RealPackets } from "../../transport/real_packets.ts";
import {
  ALIVE,
  connectionOf,
  destroyRequest,
  type DiagAnswer,
  diagAnswers,
  dumpRequest,
  ESTABLISHED,
  INET,
  INET6,
} from "../../transport/sock_diag.ts";
import { parseAddress } from "../../transport/wire/address.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

const test = suite("transport/sock_diag");

const hexOf = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const bytesOf = (hex: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array((hex.match(/../g) ?? []).map((byte) => parseInt(byte, 16)));
const zeros = (count: number): string => "00".repeat(count);

test("a dump has family, protocol and states; with an address a program of one condition", () => {
  const plain = dumpRequest(7, INET6, ESTABLISHED);
  assert.is(hexOf(plain), `480000001400010307000000${zeros(4)}0a06000002000000${zeros(48)}`);
  const v4 = hexOf(dumpRequest(1, INET, ALIVE, parseAddress("10.9.0.1")));
  // attribute 20 bytes, BYTECODE; S_COND, yes 16, no 20; AF_INET, 32 bits, any port; the address
  assert.is(v4.slice(2 * 72), "1400010007101400" + "02200000ffffffff" + "0a090001");
  assert.is(v4.slice(0, 8), "5c000000");
  const v6 = hexOf(dumpRequest(1, INET6, ALIVE, parseAddress("fd09::1")));
  assert.is(
    v6.slice(2 * 72),
    "20000100071c2000" + "0a800000ffffffff" + `fd09${zeros(13)}01`,
  );
});

/** A socket as a kernel lists it. */
function socketHex(family: string, ports: string, here: string, there: string): string {
  const id = ports + here.padEnd(32, "0") + there.padEnd(32, "0") + zeros(4) + "0102030405060708";
  return `${family}010000${id}${zeros(20)}`;
}

function message(type: string, seq: string, body: string): string {
  const length = 16 + body.length / 2;
  return `${length.toString(16).padStart(2, "0")}000000${type}000000${seq}000000${zeros(4)}${body}`;
}

test("sockets of both families are read, IPv4 at sockets of IPv6 too; what is ::1 is passed over", () => {
  const ports = "01bdb043";
  const lines = [
    socketHex("02", ports, "0a090001", "0a090002"),
    socketHex("0a", ports, `${zeros(10)}ffff0a090001`, `${zeros(10)}ffff0a090002`),
    socketHex("0a", ports, `fd09${zeros(13)}01`, `fd09${zeros(13)}02`),
    socketHex("0a", ports, `${zeros(15)}01`, `${zeros(15)}01`),
  ];
  const bytes = bytesOf(
    lines.map((line) => message("14", "05", line)).join("") + message("14", "06", lines[0]!) +
      message("03", "05", zeros(4)),
  );
  const answers = [...diagAnswers(bytes, 5)];
  assert.equal(answers.map(({ kind }) => kind), ["socket", "socket", "socket", "socket", "end"]);
  const ends = answers.flatMap((answer) =>
    answer.kind === "socket" ? [connectionOf(answer.socket)] : []
  );
  const v4 = {
    client: { address: "10.9.0.2", port: 45123 },
    server: { address: "10.9.0.1", port: 445 },
  };
  const v6 = {
    client: { address: "fd09::2", port: 45123 },
    server: { address: "fd09::1", port: 445 },
  };
  assert.equal(ends, [v4, v4, v6, undefined]);
  const [first] = answers as [Extract<DiagAnswer, { kind: "socket" }>];
  const destroy = hexOf(destroyRequest(9, first.socket));
  assert.is(
    destroy,
    `480000001500050009000000${zeros(4)}02060000ffffffff${lines[0]!.slice(8, 104)}`,
  );
});

test("errors are positive numbers, and what is cut off, or another's, is passed over", () => {
  const error = bytesOf(message("02", "05", "a1ffffff"));
  assert.equal([...diagAnswers(error, 5)], [{ kind: "end", errno: 95 }]);
  assert.equal([...diagAnswers(error, 6)], []);
  for (let length = 0; length < error.length; length++) {
    assert.equal([...diagAnswers(error.slice(0, length), 5)], [], `${length}`);
  }
  const endless = error.slice();
  endless[0] = 0;
  assert.equal([...diagAnswers(endless, 5)], []);
});

/** A kernel that refuses: sockets with one number, what is sent with another. */
function refusing(socketErrno: number, sendErrno = 0): RealPackets {
  let errno = 0;
  const fail = (why: number): number => {
    errno = why;
    return why === 0 ? 3 : -1;
  };
  const libc = {
    socket: () => fail(socketErrno),
    sendto: () => fail(sendErrno),
    ioctl: () => fail(sendErrno),
    errno: () => errno,
    close: () => 0,
  };
  return new RealPackets(libc as unknown as Libc);
}

function codeOf(work: () => void): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CtdbxError) return error.code;
    throw error;
  }
  return "none";
}

test("who may not send is told that it takes CAP_NET_RAW; other errors have their codes", () => {
  const link = { index: 2, mac: new Uint8Array(6) };
  const frame = new Uint8Array(60);
  for (const errno of [1, 13]) {
    const denied = refusing(errno);
    assert.throws(() => denied.requireRights(), /root, or CAP_NET_RAW/);
    assert.is(codeOf(() => denied.sendFrame(link, frame)), "denied");
  }
  assert.is(codeOf(() => refusing(0).requireRights()), "none");
  const codes = [
    [6, "not_found"],
    [19, "not_found"],
    [100, "not_found"],
    [101, "not_found"],
    [
      113,
      "not_found",
    ],
    [11, "busy"],
    [105, "busy"],
    [1, "denied"],
    [5, "io"],
  ] as const;
  for (const [errno, code] of codes) {
    assert.is(codeOf(() => refusing(0, errno).sendFrame(link, frame)), code, `${errno}`);
    assert.is(
      codeOf(() => refusing(0, errno).sendPacket(parseAddress("10.0.0.1"), frame)),
      code,
      `${errno}`,
    );
  }
  assert.is(refusing(0, 19).linkOf("eth9"), undefined);
  assert.is(codeOf(() => refusing(0, 5).linkOf("eth9")), "io");
  assert.is(refusing(0).linkOf("a name that is too long"), undefined);
});

test.run();
