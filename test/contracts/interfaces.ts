/**
 * What every Interfaces does, the simulated one and the kernel's: one suite for both.
 *
 *   two interfaces with a link, nothing set ──▶ checkInterfaces(...)
 *
 * Does NOT promise: lives to the millisecond; a kernel counts in seconds.
 */
import * as assert from "uvu/assert";
import type { Interfaces, Link, Placed } from "../../transport/interfaces.ts";
import { type IpAddress, parseAddress } from "../../transport/wire/address.ts";

/** What the suite gets. */
export interface InterfacesUnderTest {
  readonly interfaces: Interfaces;
  /** Names of two interfaces that have a link and no addresses of other tests. */
  readonly names: readonly [string, string];
  /** Takes the link of the first away, or gives it back. */
  setLink(hasLink: boolean): void;
  /** Some time passes, ms. */
  pass(forMs: number): Promise<void>;
}

const [A, B, C] = ["10.99.0.1", "10.99.0.2", "10.99.0.3"].map(parseAddress) as [
  IpAddress,
  IpAddress,
  IpAddress,
];
const SIX = parseAddress("fd99::1");
const OWN: readonly IpAddress[] = [A, B, C, SIX];

/** Throws where something is not as it must be. */
export async function checkInterfaces(under: InterfacesUnderTest): Promise<void> {
  const { interfaces, names } = under;
  const linkOf = (name: string): Link => {
    const link = interfaces.links().find((one) => one.name === name);
    if (link?.hasLink !== true) throw new Error(`${name} has no link`);
    return link;
  };
  const [first, second] = [linkOf(names[0]), linkOf(names[1])];
  interfaces.requireRights();
  const set = (): string[] =>
    interfaces.addresses().filter(({ address }) => OWN.includes(address))
      .map(({ address, bits, index }) => `${address}/${bits} ${index === first.index ? 1 : 2}`)
      .sort();
  const place = (address: IpAddress, bits: number, index = first.index): Placed => ({
    address,
    bits,
    index,
  });
  interfaces.put(place(A, 24), 60);
  interfaces.put(place(A, 24), 50);
  interfaces.put(place(SIX, 64, second.index), 60);
  interfaces.put(place(A, 32, second.index), 60);
  assert.equal(set(), [`${A}/24 1`, `${A}/32 2`, `${SIX}/64 2`]);
  const life = interfaces.addresses().find((one) => one.address === A && one.bits === 24)?.lifeS;
  assert.ok(life !== undefined && life <= 50 && life > 30, `${life}`);
  assert.equal([interfaces.remove(place(A, 24)), interfaces.remove(place(A, 24))], [true, false]);
  assert.is(interfaces.remove(place(SIX, 64)), false);
  assert.equal(set(), [`${A}/32 2`, `${SIX}/64 2`]);
  assert.throws(() => interfaces.put(place(B, 24, 0x7ffffff0), 60), /Cannot set 10\.99\.0\.2/);
  assert.is(interfaces.remove(place(A, 32, second.index)), true);
  assert.is(interfaces.remove(place(SIX, 64, second.index)), true);
  // Three of one network: when the first goes, the others stay.
  assert.ok(interfaces.keepSecondaries(names[0]));
  assert.is(interfaces.keepSecondaries("none-such"), false);
  for (const address of [A, B, C]) interfaces.put(place(address, 24), address === C ? 60 : 1);
  interfaces.remove(place(A, 24));
  assert.equal(set(), [`${B}/24 1`, `${C}/24 1`]);
  await under.pass(2100);
  assert.equal(set(), [`${C}/24 1`]);
  interfaces.remove(place(C, 24));
  under.setLink(false);
  assert.is(interfaces.links().find(({ name }) => name === names[0])?.hasLink, false);
  under.setLink(true);
  assert.is(interfaces.links().find(({ name }) => name === names[0])?.hasLink, true);
}
