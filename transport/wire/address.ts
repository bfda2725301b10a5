/**
 * IP addresses: one canonical text for each, and the key by which plans order and measure them.
 *
 *   text  192.168.21.254  ──▶  key  0        0        0     c0a815fe      16 bytes as four u32,
 *   text  2001:db8::1:2   ──▶  key  20010db8 0        0     00010002      network order, first word first
 *
 * Equal addresses have equal texts (RFC 5952 for IPv6), so a text is what maps, messages and files hold. Two
 * addresses have different keys: IPv6 addresses whose first 96 bits are 0 (`::`, `::1`, the old `::1.2.3.4`) would
 * have those of IPv4, and are refused. `::ffff:1.2.3.4` is the IPv4 address, as in CTDB.
 *
 * Does NOT promise: that an interface can hold the address; multicast and loopback are addresses, too.
 */

declare const brand: unique symbol;

/** An IPv4 or IPv6 address in its canonical text. */
export type IpAddress = string & { readonly [brand]: "IpAddress" };

/** 16 bytes as four u32: the first is that of the highest bits. IPv4 has only the last. */
export type IpKey = readonly [number, number, number, number];

/** Groups of 16 bits in an IPv6 address. */
const GROUPS = 8;
/** Longest text that can be an address, characters: eight groups, the last two as IPv4. */
const TEXT_CHARACTERS = 45;

/**
 * Reads an address in any spelling of RFC 4291. Throws SyntaxError, whose text says what is wrong with it: no zone,
 * no mask, no leading zeros in IPv4.
 */
export function parseAddress(text: string): IpAddress {
  const words = wordsOf(text);
  if (words !== undefined) return addressOfKey(words);
  const shown = JSON.stringify(text.length > TEXT_CHARACTERS ? `${text.slice(0, 42)}...` : text);
  throw new SyntaxError(`${shown} is no IP address${whyNot(text)}`);
}

/** 4 or 6. */
export function familyOf(address: IpAddress): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/** The key of an address. */
export function keyOfAddress(address: IpAddress): IpKey {
  return wordsOf(address) as IpKey;
}

/** The address with this key, in canonical text. */
export function addressOfKey(key: IpKey): IpAddress {
  const [first, second, third, last] = key;
  const isOld = first === 0 && second === 0 && third === 0;
  return (isOld ? ipv4Text(last) : ipv6Text(key)) as IpAddress;
}

/** The order of plans: the address with the highest key comes first. Negative: `one` comes before `other`. */
export function byKeyDescending(one: IpKey, other: IpKey): number {
  for (let word = 0; word < one.length; word++) {
    const difference = (other[word] as number) - (one[word] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Addresses in the order of plans, descending; a new array. */
export function descending(addresses: readonly IpAddress[]): IpAddress[] {
  return addresses.map((address) => ({ address, key: keyOfAddress(address) }))
    .sort((one, other) => byKeyDescending(one.key, other.key)).map(({ address }) => address);
}

/** Can an interface hold it and answer for it? Undefined: yes; else what it is: "a multicast address". */
export function whyNotPublic(address: IpAddress): string | undefined {
  const [first, , , last] = keyOfAddress(address);
  if (familyOf(address) === 6) {
    if (first >>> 24 === 0xff) return "a multicast address";
    return first >>> 22 === 0xfe80 >>> 6 ? "a link-local address" : undefined;
  }
  const top = last >>> 24;
  if (top === 0) return "an address of no network";
  if (top === 127) return "a loopback address";
  if (top >>> 4 === 14) return "a multicast address";
  return top >>> 4 === 15 ? "an address of the reserved range from 240.0.0.0" : undefined;
}

/** The key of a text, undefined where it is no address that has one. */
function wordsOf(text: string): IpKey | undefined {
  if (text.length > TEXT_CHARACTERS) return undefined;
  if (!text.includes(":")) {
    const last = ipv4Word(text);
    return last === undefined ? undefined : [0, 0, 0, last];
  }
  const groups = ipv6Groups(text);
  if (groups === undefined) return undefined;
  const word = (index: number): number =>
    ((groups[2 * index] as number) * 0x10000) + (groups[2 * index + 1] as number);
  const key = [word(0), word(1), word(2), word(3)] as const;
  if (key[0] !== 0 || key[1] !== 0) return key;
  if (key[2] === 0xffff) return [0, 0, 0, key[3]];
  return key[2] === 0 ? undefined : key;
}

/** The four bytes of dotted decimal as a u32. */
function ipv4Word(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let word = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    word = word * 256 + Number(part);
  }
  return word;
}

/** The eight groups of an IPv6 text. */
function ipv6Groups(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const groups = groupsOf(head ?? [], tail === undefined);
  if (groups === undefined) return undefined;
  if (tail === undefined) return groups.length === GROUPS ? groups : undefined;
  const last = groupsOf(tail, true);
  // `::` stands for one group of zeros at least.
  if (last === undefined || groups.length + last.length >= GROUPS) return undefined;
  const zeros = new Array<number>(GROUPS - groups.length - last.length).fill(0);
  return [...groups, ...zeros, ...last];
}

/** Groups of hex digits; the last may be an IPv4 address where `isEnd`. */
function groupsOf(parts: readonly string[], isEnd: boolean): number[] | undefined {
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(parseInt(part, 16));
      continue;
    }
    const word = isEnd && index === parts.length - 1 ? ipv4Word(part) : undefined;
    if (word === undefined) return undefined;
    groups.push(word >>> 16, word & 0xffff);
  }
  return groups;
}

function ipv4Text(word: number): string {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join(".");
}

/** RFC 5952: lower case, no leading zeros, `::` for the longest run of zero groups, the first of equals. */
function ipv6Text(key: IpKey): string {
  const groups = key.flatMap((word) => [word >>> 16, word & 0xffff]);
  let start = -1;
  let longest = 1;
  for (let from = 0; from < GROUPS; from++) {
    let end = from;
    while (end < GROUPS && groups[end] === 0) end += 1;
    if (end - from > longest) {
      start = from;
      longest = end - from;
    }
    from = Math.max(from, end);
  }
  const hex = (some: readonly number[]): string =>
    some.map((group) => group.toString(16)).join(":");
  if (start < 0) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + longest))}`;
}

function whyNot(text: string): string {
  if (text.includes("%")) return ": a zone cannot stand with it";
  if (text.includes("/")) return ": a mask cannot stand with it";
  const groups = text.includes(":") ? ipv6Groups(text) : undefined;
  if (groups !== undefined) return " that ctdbx takes: its first 96 bits are 0";
  if (/^\d+(?:\.\d+){3}$/.test(text)) return ": four numbers from 0 to 255, without leading zeros";
  return "";
}
