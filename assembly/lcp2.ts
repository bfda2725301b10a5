/**
 * LCP2: likeness of addresses, and its sums over the addresses of each node, kept up to date move by move.
 *
 * Two addresses are alike by the bits that they share; a node shall get addresses that are as unlike as can be, so
 * that the addresses of each network are spread over all nodes.
 *
 *   distance(a, b) = leading equal bits of word 0 + of word 1 + of word 2 + of word 3          0 .. 128
 *   cost(a, node)  = sum of distance(a, b)^2 over the node's other addresses b                 u32, wraps
 *   imbalance(node) = sum of distance(a, b)^2 over the pairs of its addresses                  u32, wraps
 *
 * Putting an address on a node changes one column of the table of costs: one distance for each address, whatever the
 * number of nodes. For an address that nobody has, its cheapest node is kept beside. Costs only grow while addresses
 * are placed, so it stays right until its own column grows; then its cost is still a lower bound, and it is looked for
 * anew when that bound is below all costs that are known.
 *
 * For moves a node without a good one is marked with the time: looked at again, it is compared only with nodes that
 * have changed since. What was refused before is refused again, as neither of the two has changed.
 *
 *   plan: a table of u32, see P_ below; keys n x 4 u32 (word 0 first); cost, barred n x stride u32, where stride is k
 *         rounded up to lanes; owner, least, leastCost, next n u32, n rounded up; imbalance, first, order, candidates,
 *         changed, stuck k u32. Barred cells (a node may not have the address, or there is no such node) are all ones.
 *
 * Does NOT promise: any check of numbers; costs are exact up to 262143 addresses (2^32 / 128^2), beyond they wrap.
 * Differs from a prefix length: every word counts, also behind one that differs.
 */

/** Addresses and nodes. */
const P_ADDRESSES: usize = 0;
const P_NODES: usize = 4;
/** Where the arrays are. */
const P_KEYS: usize = 8;
const P_COST: usize = 12;
const P_BARRED: usize = 16;
const P_OWNER: usize = 20;
const P_LEAST: usize = 24;
const P_LEAST_COST: usize = 28;
const P_NEXT: usize = 32;
const P_IMBALANCE: usize = 36;
const P_FIRST: usize = 40;
const P_ORDER: usize = 44;
const P_CANDIDATES: usize = 48;
const P_CHANGED: usize = 52;
const P_STUCK: usize = 56;
/** How many candidates there are. */
const P_CANDIDATE_COUNT: usize = 60;
/** Moves so far. */
const P_CLOCK: usize = 64;
/** Of what the last lcp2NextPlace or lcp2NextMove found: the node, and the cost there. */
const P_NODE: usize = 68;
const P_NODE_COST: usize = 72;
/** Cells of a row of costs: nodes, rounded up to LANES. */
const P_STRIDE: usize = 76;

/** Costs in one vector. */
const LANES: u32 = 4;

/** No node, no address. */
const NONE: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
function at(plan: usize, field: usize, index: u32): u32 {
  return load<u32>(<usize> load<u32>(plan + field) + (<usize> index << 2));
}

// @ts-ignore: decorator
@inline
function put(plan: usize, field: usize, index: u32, value: u32): void {
  store<u32>(<usize> load<u32>(plan + field) + (<usize> index << 2), value);
}

/** Where the cost of an address on a node stands. */
// @ts-ignore: decorator
@inline
function cellOf(plan: usize, address: u32, node: u32): usize {
  return <usize> load<u32>(plan + P_COST) + ((<usize> address * load<u32>(plan + P_STRIDE) + node) << 2);
}

/** The least of the lanes. */
// @ts-ignore: decorator
@inline
function leastLane(lanes: v128): u32 {
  return min<u32>(
    min<u32>(v128.extract_lane<u32>(lanes, 0), v128.extract_lane<u32>(lanes, 1)),
    min<u32>(v128.extract_lane<u32>(lanes, 2), v128.extract_lane<u32>(lanes, 3)),
  );
}

/** The square of the distance of two keys. */
// @ts-ignore: decorator
@inline
function squared(key: usize, word0: u32, word1: u32, word2: u32, word3: u32): u32 {
  const bits = clz<u32>(load<u32>(key) ^ word0) + clz<u32>(load<u32>(key, 4) ^ word1) +
    clz<u32>(load<u32>(key, 8) ^ word2) + clz<u32>(load<u32>(key, 12) ^ word3);
  return bits * bits;
}

/** The distance of two keys of 16 bytes, four u32 each, 0 to 128. */
export function lcp2Distance(one: usize, other: usize): u32 {
  return clz<u32>(load<u32>(one) ^ load<u32>(other)) + clz<u32>(load<u32>(one, 4) ^ load<u32>(other, 4)) +
    clz<u32>(load<u32>(one, 8) ^ load<u32>(other, 8)) + clz<u32>(load<u32>(one, 12) ^ load<u32>(other, 12));
}

/** Adds `sign` x squared distance from `address` to each other address, in the column of `node`. */
function spread(plan: usize, address: u32, node: u32, isAdded: bool): void {
  const count = load<u32>(plan + P_ADDRESSES);
  const stride: usize = <usize> load<u32>(plan + P_STRIDE) << 2;
  const keys: usize = load<u32>(plan + P_KEYS);
  const own = keys + (<usize> address << 4);
  const word0 = load<u32>(own);
  const word1 = load<u32>(own, 4);
  const word2 = load<u32>(own, 8);
  const word3 = load<u32>(own, 12);
  let cell: usize = <usize> load<u32>(plan + P_COST) + (<usize> node << 2);
  const self = cell + <usize> address * stride;
  const kept = load<u32>(self);
  let key = keys;
  for (const end = keys + (<usize> count << 4); key < end; key += 16) {
    const square = squared(key, word0, word1, word2, word3);
    store<u32>(cell, isAdded ? load<u32>(cell) + square : load<u32>(cell) - square);
    cell += stride;
  }
  // An address is not alike to itself.
  store<u32>(self, kept);
}

/** Finds the cheapest node of an address anew: the lowest number of equals. */
function rank(plan: usize, address: u32): void {
  const row: usize = cellOf(plan, address, 0);
  const bars: usize = <usize> load<u32>(plan + P_BARRED) + (row - <usize> load<u32>(plan + P_COST));
  const end = row + (<usize> load<u32>(plan + P_STRIDE) << 2);
  let lanes = v128.splat<u32>(NONE);
  for (let cell = row, bar = bars; cell < end; cell += 16, bar += 16) {
    lanes = v128.min<u32>(lanes, v128.or(v128.load(cell), v128.load(bar)));
  }
  const least = leastLane(lanes);
  put(plan, P_LEAST_COST, address, least);
  if (least == NONE) {
    put(plan, P_LEAST, address, NONE);
    return;
  }
  const wanted = v128.splat<u32>(least);
  let node: u32 = 0;
  let hits: i32 = 0;
  for (let cell = row, bar = bars; hits == 0; cell += 16, bar += 16, node += LANES) {
    hits = v128.bitmask<u32>(v128.eq<u32>(v128.or(v128.load(cell), v128.load(bar)), wanted));
  }
  put(plan, P_LEAST, address, node - LANES + ctz<u32>(hits));
}

/** Links an address into its owner's list, which is in the order of addresses. */
function link(plan: usize, address: u32, node: u32): void {
  let before = NONE;
  let after = at(plan, P_FIRST, node);
  while (after < address) {
    before = after;
    after = at(plan, P_NEXT, after);
  }
  put(plan, P_NEXT, address, after);
  if (before == NONE) put(plan, P_FIRST, node, address);
  else put(plan, P_NEXT, before, address);
}

function unlink(plan: usize, address: u32, node: u32): void {
  const after = at(plan, P_NEXT, address);
  let before = at(plan, P_FIRST, node);
  if (before == address) {
    put(plan, P_FIRST, node, after);
    return;
  }
  while (at(plan, P_NEXT, before) != address) before = at(plan, P_NEXT, before);
  put(plan, P_NEXT, before, after);
}

/** The node changes now: what was found of it before does not hold. */
function touch(plan: usize, node: u32): void {
  put(plan, P_CHANGED, node, load<u32>(plan + P_CLOCK));
  put(plan, P_STUCK, node, 0);
}

/** Gives an address that nobody has to a node. */
export function lcp2Put(plan: usize, address: u32, node: u32): void {
  put(plan, P_IMBALANCE, node, at(plan, P_IMBALANCE, node) + load<u32>(cellOf(plan, address, node)));
  put(plan, P_OWNER, address, node);
  put(plan, P_LEAST, address, NONE);
  put(plan, P_LEAST_COST, address, NONE);
  link(plan, address, node);
  spread(plan, address, node, true);
}

/** Gives an address to a node, as lcp2NextPlace has found them. Whose cheapest node this was must look again. */
export function lcp2Place(plan: usize, address: u32, node: u32): void {
  lcp2Put(plan, address, node);
  const count = load<u32>(plan + P_ADDRESSES);
  for (let other: u32 = 0; other < count; other++) {
    if (at(plan, P_LEAST, other) == node) put(plan, P_LEAST, other, NONE);
  }
}

/** Takes an address from its owner and gives it to another node. */
export function lcp2Move(plan: usize, address: u32, node: u32): void {
  const owner = at(plan, P_OWNER, address);
  put(plan, P_IMBALANCE, owner, at(plan, P_IMBALANCE, owner) - load<u32>(cellOf(plan, address, owner)));
  unlink(plan, address, owner);
  spread(plan, address, owner, false);
  lcp2Put(plan, address, node);
  store<u32>(plan + P_CLOCK, load<u32>(plan + P_CLOCK) + 1);
  touch(plan, owner);
  touch(plan, node);
}

/** Finds the cheapest able node of every address that nobody has. Once, before lcp2NextPlace. */
export function lcp2Rank(plan: usize): void {
  const count = load<u32>(plan + P_ADDRESSES);
  for (let address: u32 = 0; address < count; address++) {
    if (at(plan, P_OWNER, address) == NONE) rank(plan, address);
  }
}

/**
 * The address that nobody has and that is cheapest to place, the first of equals; -1: none can be placed. Those whose
 * cheapest node is not known any more are ranked anew only if they could be cheaper than all that are known.
 */
export function lcp2NextPlace(plan: usize): i32 {
  const count = load<u32>(plan + P_ADDRESSES);
  let found = NONE;
  let least = NONE;
  for (let address: u32 = 0; address < count; address++) {
    const cost = at(plan, P_LEAST_COST, address);
    if (cost >= least || at(plan, P_LEAST, address) == NONE) continue;
    found = address;
    least = cost;
  }
  for (let address: u32 = 0; address < count; address++) {
    let cost = at(plan, P_LEAST_COST, address);
    if (cost > least || cost == NONE || at(plan, P_LEAST, address) != NONE) continue;
    if (cost == least && address > found) continue;
    rank(plan, address);
    cost = at(plan, P_LEAST_COST, address);
    if (cost > least || (cost == least && address > found)) continue;
    found = address;
    least = cost;
  }
  if (found == NONE) return -1;
  store<u32>(plan + P_NODE, at(plan, P_LEAST, found));
  store<u32>(plan + P_NODE_COST, least);
  return <i32> found;
}

/** Sorts the nodes by imbalance, descending; of equals the lower number first. Two have changed since the last time. */
function sort(plan: usize): void {
  const nodes = load<u32>(plan + P_NODES);
  for (let index: u32 = 1; index < nodes; index++) {
    const node = at(plan, P_ORDER, index);
    const own = at(plan, P_IMBALANCE, node);
    let place = index;
    while (place > 0) {
      const other = at(plan, P_ORDER, place - 1);
      const theirs = at(plan, P_IMBALANCE, other);
      if (theirs > own || (theirs == own && other < node)) break;
      put(plan, P_ORDER, place, other);
      place--;
    }
    put(plan, P_ORDER, place, node);
  }
}

/** The best move away from a node, to one that has changed since it was stuck; NONE: none makes it better. */
function bestFrom(plan: usize, source: u32): u32 {
  const candidates = load<u32>(plan + P_CANDIDATE_COUNT);
  const toBars: usize = <usize> load<u32>(plan + P_BARRED) - <usize> load<u32>(plan + P_COST);
  const stuck = at(plan, P_STUCK, source);
  const imbalance = at(plan, P_IMBALANCE, source);
  let found = NONE;
  let least: u32 = 0;
  for (let address = at(plan, P_FIRST, source); address != NONE; address = at(plan, P_NEXT, address)) {
    const row = cellOf(plan, address, 0);
    const sourceCost = load<u32>(row + (<usize> source << 2));
    for (let index: u32 = 0; index < candidates; index++) {
      const target = at(plan, P_CANDIDATES, index);
      const cell = row + (<usize> target << 2);
      if (at(plan, P_CHANGED, target) < stuck || load<u32>(cell + toBars) != 0) continue;
      const cost = load<u32>(cell);
      const after = at(plan, P_IMBALANCE, target) + cost;
      if (after >= imbalance || cost >= sourceCost) continue;
      const sum = imbalance - sourceCost + after;
      if (found != NONE && sum >= least) continue;
      found = address;
      least = sum;
      store<u32>(plan + P_NODE, target);
      store<u32>(plan + P_NODE_COST, cost);
    }
  }
  return found;
}

/** The best move of the most loaded node that has one; -1: no move makes it better. */
export function lcp2NextMove(plan: usize): i32 {
  sort(plan);
  const nodes = load<u32>(plan + P_NODES);
  for (let index: u32 = 0; index < nodes; index++) {
    const source = at(plan, P_ORDER, index);
    if (at(plan, P_IMBALANCE, source) == 0) break;
    const found = bestFrom(plan, source);
    if (found != NONE) return <i32> found;
    put(plan, P_STUCK, source, load<u32>(plan + P_CLOCK) + 1);
  }
  return -1;
}
