/**
 * What all sockets of netlink have in common: the family, the kernel's address, room for an answer.
 *
 * Source: linux/netlink.h.
 *
 * Does NOT promise: anything about what is said over them; that is in rtnetlink.ts and sock_diag.ts.
 */

/** socket(2): the family of netlink. */
export const AF_NETLINK = 16;
/** socket(2): datagrams. */
export const SOCK_RAW = 3;
/** struct sockaddr_nl: family u16, pad u16, pid u32, groups u32; pid 0 is the kernel. */
export const KERNEL: Uint8Array<ArrayBuffer> = new Uint8Array([
  AF_NETLINK,
  ...Array<number>(11).fill(0),
]);
/** Room for one answer, bytes; the kernel makes none longer than 32 KiB. */
export const ANSWER_BYTES = 65_536;
