/**
 * Allocation of addresses the straightforward way: every sum is made anew each time it is asked for, as the words of
 * the algorithms say it. It shares nothing with the planners, and is what they are compared with.
 *
 *   sums of sums of sums: 900 addresses on 32 nodes take it about a minute
 *
 * Does NOT promise: any speed, nor a check of what it is given.
 *
 * Upstream: the three ipalloc algorithms of CTDB 4.17, written from a description of them.
 */

/** An address: its 128 bits as four u32, highest first (IPv4: only the last). */
export interface PlainAddress {
  readonly words: readonly number[];
  /** -1: nobody. */
  owner: number;
  /** By node. */
  readonly able: readonly boolean[];
  /** Of the deterministic algorithm; undefined: by place in the list. */
  readonly home?: number;
}

/** What is to be planned. */
export interface PlainCase {
  readonly algorithm: "lcp2" | "deterministic" | "nondeterministic";
  readonly nodes: number;
  readonly addresses: readonly PlainAddress[];
  readonly forced: readonly number[];
  readonly noFailback: boolean;
  readonly noTakeover: boolean;
}

/** The addresses in descending order, with their new owners; those given are not changed. */
export function planPlainly(given: PlainCase): PlainAddress[] {
  const list = given.addresses.map((address) => ({ ...address })).sort(descending);
  if (given.algorithm === "lcp2") lcp2(given, list);
  else if (given.algorithm === "deterministic") deterministic(given, list);
  else nondeterministic(given, list);
  return list;
}

function descending(one: PlainAddress, other: PlainAddress): number {
  for (let at = 0; at < 4; at++) {
    if (one.words[at] !== other.words[at]) {
      return (one.words[at] as number) > (other.words[at] as number) ? -1 : 1;
    }
  }
  return 0;
}

function unassignUnsuitable(list: PlainAddress[]): void {
  for (const one of list) if (one.owner >= 0 && !one.able[one.owner]) one.owner = -1;
}

function canTake(given: PlainCase, one: PlainAddress, node: number): boolean {
  return !given.noTakeover && one.able[node] === true;
}

function coverage(list: PlainAddress[], node: number): number {
  return list.filter(({ owner }) => owner === node).length;
}

/** Gives it to the able node with the fewest; nothing happens when there is none. */
function takeOver(given: PlainCase, list: PlainAddress[], one: PlainAddress): void {
  let best = -1;
  for (let node = 0; node < given.nodes; node++) {
    if (!canTake(given, one, node)) continue;
    if (best < 0 || coverage(list, node) < coverage(list, best)) best = node;
  }
  if (best >= 0) one.owner = best;
}

function allocateUnassigned(given: PlainCase, list: PlainAddress[]): void {
  for (const one of list) if (one.owner < 0) takeOver(given, list, one);
}

function deterministic(given: PlainCase, list: PlainAddress[]): void {
  list.forEach((one, place) => {
    one.owner = one.home ?? place % given.nodes;
  });
  unassignUnsuitable(list);
  allocateUnassigned(given, list);
}

function nondeterministic(given: PlainCase, list: PlainAddress[]): void {
  unassignUnsuitable(list);
  allocateUnassigned(given, list);
  if (given.noFailback) return;
  for (let retries = 0; retries < list.length + 5; retries++) {
    if (!evenOut(given, list)) return;
  }
}

/** One try: was there an address whose able nodes differ by two or more? */
function evenOut(given: PlainCase, list: PlainAddress[]): boolean {
  for (const one of list) {
    if (one.owner < 0) continue;
    let most = -1;
    let least = -1;
    for (let node = 0; node < given.nodes; node++) {
      if (!canTake(given, one, node)) continue;
      const count = coverage(list, node);
      if (most < 0 || count > coverage(list, most)) most = node;
      if (least < 0 || count < coverage(list, least)) least = node;
    }
    if (most < 0 || coverage(list, most) <= coverage(list, least) + 1) continue;
    const victim = list.find(({ owner }) => owner === most);
    if (victim === undefined) continue;
    takeOver(given, list, victim);
    return true;
  }
  return false;
}

/** Bits that two addresses share at the front of each of their four words. */
export function plainDistance(one: readonly number[], other: readonly number[]): number {
  let bits = 0;
  for (let word = 0; word < 4; word++) {
    for (let bit = 31; bit >= 0; bit--) {
      const differs = (((one[word] as number) ^ (other[word] as number)) >>> bit) & 1;
      if (differs === 1) break;
      bits += 1;
    }
  }
  return bits;
}

function costOf(list: PlainAddress[], one: PlainAddress, node: number): number {
  let sum = 0;
  for (const other of list) {
    if (other === one || other.owner !== node) continue;
    const distance = plainDistance(one.words, other.words);
    sum = (sum + distance * distance) >>> 0;
  }
  return sum;
}

function imbalanceOf(list: PlainAddress[], node: number): number {
  let sum = 0;
  list.forEach((one, place) => {
    if (one.owner === node) sum = (sum + costOf(list.slice(place), one, node)) >>> 0;
  });
  return sum;
}

function lcp2(given: PlainCase, list: PlainAddress[]): void {
  const nodes = Array.from({ length: given.nodes }, (_, node) => node);
  unassignUnsuitable(list);
  const imbalances = nodes.map((node) => imbalanceOf(list, node));
  const isCandidate = nodes.map((node) =>
    coverage(list, node) === 0 || given.forced.includes(node)
  );
  while (placeOne(given, list, imbalances)) { /* until none can be placed */ }
  if (given.noFailback || !isCandidate.includes(true)) return;
  while (moveOne(given, list, imbalances, isCandidate)) { /* until none moves */ }
}

function placeOne(given: PlainCase, list: PlainAddress[], imbalances: number[]): boolean {
  let best: { one: PlainAddress; node: number; cost: number } | undefined;
  for (const one of list) {
    if (one.owner >= 0) continue;
    for (let node = 0; node < given.nodes; node++) {
      if (!canTake(given, one, node)) continue;
      const cost = costOf(list, one, node);
      if (best === undefined || cost < best.cost) best = { one, node, cost };
    }
  }
  if (best === undefined) return false;
  best.one.owner = best.node;
  imbalances[best.node] = ((imbalances[best.node] as number) + best.cost) >>> 0;
  return true;
}

function moveOne(
  given: PlainCase,
  list: PlainAddress[],
  imbalances: number[],
  isCandidate: readonly boolean[],
): boolean {
  const order = imbalances.map((imbalance, node) => ({ imbalance, node }))
    .sort((one, other) => other.imbalance - one.imbalance || one.node - other.node);
  for (const { imbalance, node: source } of order) {
    if (imbalance === 0) return false;
    let best: { one: PlainAddress; node: number; from: number; to: number } | undefined;
    for (const one of list) {
      if (one.owner !== source) continue;
      const sourceCost = costOf(list, one, source);
      for (let node = 0; node < given.nodes; node++) {
        if (!isCandidate[node] || !canTake(given, one, node)) continue;
        const cost = costOf(list, one, node);
        const from = (imbalance - sourceCost) >>> 0;
        const to = ((imbalances[node] as number) + cost) >>> 0;
        if (to >= imbalance || cost >= sourceCost) continue;
        const isBetter = best === undefined ||
          ((from + to) >>> 0) < ((best.from + best.to) >>> 0);
        if (isBetter) best = { one, node, from, to };
      }
    }
    if (best === undefined) continue;
    imbalances[source] = best.from;
    imbalances[best.node] = best.to;
    best.one.owner = best.node;
    return true;
  }
  return false;
}
