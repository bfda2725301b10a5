/**
 * The input of `ctdbx ip plan -f`: who has which address, and who may have it.
 *
 *   ADDRESS CURRENT ALLOWED          192.168.21.254 0 *          2001:db8::5 -1 0,2
 *
 * CURRENT is the number of the node that hosts it, or -1; ALLOWED are numbers with commas between, or `*` for all.
 * Blank lines, and what follows a `#`, are passed over.
 *
 * Does NOT promise: that the current node is one of those allowed; a plan takes the address from it then.
 */

import { readFileSync } from "node:fs";
import {
  addressAt,
  type AddressLine,
  lineFault,
  linesOf,
  SeenAddresses,
  shownWord,
} from "../actors/addresses/address_lines.ts";
import {
  PLAN_ADDRESSES_MAX,
  PLAN_CELLS_MAX,
  type PlanAddress,
} from "../actors/machines/addresses/plan/plan.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Pnn } from "../transport/wire/terms.ts";
import { requireName, systemFailure, usage } from "./failure.ts";
import type { CommandWorld } from "./world.ts";
import { readInput } from "./world.ts";

/** Longest file, bytes: PLAN_ADDRESSES_MAX lines that name many nodes each. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** The text of a file, or of standard input for "-". Throws Failure; CtdbxError "config" for what is not UTF-8. */
export async function readLines(world: CommandWorld, path: string): Promise<string> {
  const cannot = `Cannot read ${path}`;
  requireName(cannot, path);
  let bytes: Uint8Array;
  if (path === "-") bytes = await readInput(world, FILE_BYTES_MAX, "the addresses");
  else {
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as { code?: string }).code === "EISDIR") throw usage(`${cannot}: it is a folder`);
      throw systemFailure(error, cannot);
    }
  }
  if (bytes.length > FILE_BYTES_MAX) {
    throw new CtdbxError("limit", `${cannot}: it has more than ${FILE_BYTES_MAX} bytes`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CtdbxError("config", `${cannot}: it is not UTF-8`, { cause: error });
  }
}

/**
 * The addresses of such a file. `isUp`: by node, may it host? Throws CtdbxError "config" with the line of what is
 * wrong, "limit" when there are too many.
 */
export function readPlanFile(text: string, where: string, isUp: readonly boolean[]): PlanAddress[] {
  const lines = linesOf(text);
  const cells = lines.length * isUp.length;
  if (lines.length > PLAN_ADDRESSES_MAX || cells > PLAN_CELLS_MAX) {
    throw new CtdbxError(
      "limit",
      `Cannot plan ${where}: ${lines.length} addresses on ${isUp.length} nodes; the most are ` +
        `${PLAN_ADDRESSES_MAX} addresses, and ${PLAN_CELLS_MAX} addresses times nodes`,
    );
  }
  const seen = new SeenAddresses(where);
  return lines.map((line) => {
    const one = planAddress(where, line, isUp);
    seen.add(one.address, line.number);
    return one;
  });
}

function planAddress(
  where: string,
  { number: line, words }: AddressLine,
  isUp: readonly boolean[],
): PlanAddress {
  const [first = "", current, allowed, ...more] = words;
  const address = addressAt(where, line, first);
  if (current === undefined || allowed === undefined) {
    throw lineFault(where, line, "write ADDRESS CURRENT ALLOWED, as 192.168.21.254 -1 0,2");
  }
  if (more[0] !== undefined) {
    const what = `${shownWord(more[0])} stands behind the allowed nodes; commas go between them`;
    throw lineFault(where, line, what);
  }
  const node = (word: string, what: string, note: string): Pnn => {
    const pnn = /^\d{1,4}$/.test(word) ? Number(word) : NaN;
    if (pnn < isUp.length) return pnn as Pnn;
    const range = isUp.length === 1 ? "0" : `0 to ${isUp.length - 1}`;
    throw lineFault(where, line, `${what} must be ${range}${note}, is ${shownWord(word)}`);
  };
  const owner = current === "-1"
    ? undefined
    : node(current, "the current node", ", or -1 for nobody");
  const named = allowed === "*"
    ? isUp.map((_, pnn) => pnn as Pnn)
    : allowed.split(",").map((word) => node(word, "an allowed node", ", or * for all"));
  const twice = new Set(named).size < named.length
    ? named.find((pnn, at) => named.indexOf(pnn) !== at)
    : undefined;
  if (twice !== undefined) throw lineFault(where, line, `allowed node ${twice} comes twice`);
  return { address, owner, able: named.filter((pnn) => isUp[pnn]) };
}
