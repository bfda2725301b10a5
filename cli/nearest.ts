/**
 * Which of some names was meant: "did you mean".
 *
 *   nearest("statsu", ["status", "health"]) -> "status"      nearest("n4", ["n0", "n3"]) -> "n3"
 *
 * Does NOT promise: what the user meant; it is a hint, and nothing acts on it.
 */

/** The name that is nearest to a mistyped one; undefined: none is near. Two swapped letters count as one mistake. */
export function nearest(typed: string, names: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(typed.length * 0.4));
  const near = names
    .map((name) => ({ name, cost: mistakes(typed.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, cost }) => cost <= most || (typed.length >= 2 && name.startsWith(typed)));
  // Of equally near ones that whose letters differ least, as n3 for n4.
  near.sort((one, other) =>
    one.cost - other.cost || apart(typed, one.name) - apart(typed, other.name)
  );
  return near[0]?.name;
}

/** The hint in words; undefined: no name is near. */
export function meant(typed: string, names: readonly string[]): string | undefined {
  const name = nearest(typed, names);
  return name === undefined ? undefined : `did you mean ${name}?`;
}

/** What to do when a node is not known by its name. */
export function nodeHint(name: string, known: readonly string[]): string {
  return meant(name, known) ?? "`ctdbx node list` shows them";
}

/** Letters that must be changed, added, removed or swapped with their neighbour. */
function mistakes(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, at) => at)];
  for (let left = 1; left <= one.length; left++) {
    const row = [left];
    for (let right = 1; right <= other.length; right++) {
      const isSame = one[left - 1] === other[right - 1];
      let cost = Math.min(
        (rows[left - 1]?.[right] ?? 0) + 1,
        (row[right - 1] ?? 0) + 1,
        (rows[left - 1]?.[right - 1] ?? 0) + (isSame ? 0 : 1),
      );
      const isSwapped = one[left - 1] === other[right - 2] && one[left - 2] === other[right - 1];
      if (left > 1 && right > 1 && isSwapped) {
        cost = Math.min(cost, (rows[left - 2]?.[right - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[one.length]?.[other.length] ?? 0;
}

function apart(one: string, other: string): number {
  let sum = 128 * Math.abs(one.length - other.length);
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    sum += Math.abs(one.charCodeAt(at) - other.charCodeAt(at));
  }
  return sum;
}
