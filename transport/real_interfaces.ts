/**
 * The network interfaces of this machine, through a socket of rtnetlink.
 *
 *   request ── sendto ──▶ the kernel does it within the call ── recv ──▶ its answer lies there already
 *
 * So no program is started that might stand still and set an address when its time is over, and nothing is waited for
 * but the kernel itself.
 *
 * Does NOT promise: other network namespaces than the one in which the process was when the socket was made.
 */
import { AF_NETLINK, ANSWER_BYTES, KERNEL, SOCK_RAW } from "./netlink.ts";
import { readFileSync, writeFileSync } from "node:fs";
import { ERRNO, type Libc, openLibc, systemError } from "./ffi.ts";
import type { Interfaces, Link, Placed, SetAddress } from "./interfaces.ts";
import {
  addressesRequest,
  answersOf,
  linksRequest,
  type NetlinkAnswer,
  putRequest,
  removeRequest,
  rightsRequest,
} from "./rtnetlink.ts";
import { CtdbxError } from "./wire/errors.ts";

/** socket(2): the protocol of rtnetlink. */
const NETLINK_ROUTE = 0;
/** A list that changed while it was read is read again so often. */
const LIST_TRIES = 8;
/** Error numbers that are not in ERRNO: no such device, address not there. */
const ENODEV = 19;
const EADDRNOTAVAIL = 99;

/** The interfaces of this network namespace. */
export class RealInterfaces implements Interfaces {
  readonly #libc: Libc;
  readonly #answer = new Uint8Array(new ArrayBuffer(ANSWER_BYTES));
  #fd: number;
  #seq = 0;

  /** Throws CtdbxError. */
  constructor(libc: Libc = openLibc()) {
    this.#libc = libc;
    this.#fd = libc.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (this.#fd < 0) throw systemError("Cannot open a socket of rtnetlink", libc.errno());
  }

  links(): readonly Link[] {
    const answers = this.#list("Cannot list the network interfaces", linksRequest);
    return answers.flatMap((answer) => answer.kind === "link" ? [answer.link] : []);
  }

  addresses(): readonly SetAddress[] {
    const answers = this.#list("Cannot list the addresses of this machine", addressesRequest);
    return answers.flatMap((answer) => answer.kind === "address" ? [answer.set] : []);
  }

  put(placed: Placed, lifeS: number): void {
    const what = `Cannot set ${placed.address}/${placed.bits} on interface ${placed.index}`;
    const errno = this.#change(what, (seq) => putRequest(seq, placed, lifeS));
    if (errno === ENODEV) throw new CtdbxError("not_found", `${what}: it is not there`);
    if (errno !== 0) throw systemError(what, errno);
  }

  remove(placed: Placed): boolean {
    const what = `Cannot remove ${placed.address} from interface ${placed.index}`;
    const errno = this.#change(what, (seq) => removeRequest(seq, placed));
    if (errno === EADDRNOTAVAIL || errno === ENODEV) return false;
    if (errno !== 0) throw systemError(what, errno);
    return true;
  }

  keepSecondaries(name: string): boolean {
    // The kernel's files have a slash where the name of an interface has a dot, and need none here: it has none.
    const path = `/proc/sys/net/ipv4/conf/${name}/promote_secondaries`;
    try {
      if (readFileSync(path, "utf8").trim() !== "1") writeFileSync(path, "1\n");
      return true;
    } catch {
      return false;
    }
  }

  requireRights(): void {
    const what = "Cannot change addresses of this machine";
    const errno = this.#change(what, rightsRequest);
    if (errno !== ERRNO.EPERM) return;
    throw new CtdbxError("denied", `${what}: that needs root, or the capability CAP_NET_ADMIN`);
  }

  close(): void {
    if (this.#fd >= 0) this.#libc.close(this.#fd);
    this.#fd = -1;
  }

  /** One change; answers with its error number. */
  #change(what: string, request: (seq: number) => Uint8Array): number {
    const { answers } = this.#ask(what, request);
    const end = answers.find((answer) => answer.kind === "end");
    return end?.kind === "end" ? end.errno : ERRNO.EIO;
  }

  #list(what: string, request: (seq: number) => Uint8Array): readonly NetlinkAnswer[] {
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      const { answers, isWhole } = this.#ask(what, request);
      if (!isWhole) continue;
      const end = answers.at(-1);
      if (end?.kind === "end" && end.errno !== 0) throw systemError(what, end.errno);
      return answers;
    }
    throw new CtdbxError("io", `${what}: they change faster than they are read`);
  }

  /** Sends a request, and reads its answers up to their end. */
  #ask(
    what: string,
    request: (seq: number) => Uint8Array,
  ): { readonly answers: readonly NetlinkAnswer[]; readonly isWhole: boolean } {
    const libc = this.#libc;
    this.#seq = (this.#seq + 1) >>> 0;
    const seq = this.#seq;
    if (libc.sendto(this.#fd, request(seq), KERNEL) < 0) throw systemError(what, libc.errno());
    const answers: NetlinkAnswer[] = [];
    let isWhole = true;
    for (;;) {
      const length = libc.recv(this.#fd, this.#answer);
      if (length < 0) throw systemError(what, libc.errno());
      if (length > ANSWER_BYTES) throw new CtdbxError("io", `${what}: an answer is too long`);
      // Copied: the texts of the answers are made now, but the buffer is filled again.
      for (const answer of answersOf(this.#answer.subarray(0, length), seq)) {
        if (answer.kind === "interrupted") isWhole = false;
        else answers.push(answer);
        if (answer.kind === "end") return { answers, isWhole };
      }
    }
  }
}
