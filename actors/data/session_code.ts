/**
 * Is the code that programs offer under one name and version the same everywhere? Each program says what its code is; a
 * newcomer whose code differs from that of another program of the cluster is refused.
 *
 *   offers "visits/1", code "bun 1.4.5 9c1e.."  ─▶ listens to  srvid of (visits/1, bun 1.4.5)      who offers it at all
 *                                                        and   srvid of (visits/1, code)           who has this code
 *   programs at the first and not at the second, by node  ─▶  other code there  ─▶  "exists"
 *
 * Code is compared within one runtime: each writes down a function in its own way.
 *
 * Does NOT promise: what the code refers to outside of itself; nor nodes that do not answer within LOOK_MS. Two that
 * come in one moment with different code are both refused.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { WATCH_TOP } from "../../transport/wire/watch_layout.ts";
import type { Messages } from "../messages.ts";
import type { DataNode } from "./types.ts";

/** Characters of what a program says of its code. */
export const CODE_MAX = 128;
/** A word for the runtime, a blank, and what tells this code from others. */
const CODE = /^([!-~]+(?: [!-~]+)?) ([!-~]+)$/;
/** Other nodes are waited for so long, ms. */
const LOOK_MS = 500;
/** Second byte of these srvids; the first says that they are the nodes' own. */
const CODE_TOP = 0xc0n;

/** What a program says of the code of a procedure. */
export class OfferedCode {
  readonly #messages: Messages;
  readonly #program: number;
  readonly #name: string;
  readonly #code: string;
  readonly #srvids: readonly [kind: bigint, code: bigint];

  /** `program`: its number. `code` as "RUNTIME VERSION HASH". Throws "state". */
  constructor(messages: Messages, program: number, name: string, code: string) {
    const kind = code.length > CODE_MAX ? undefined : CODE.exec(code)?.[1];
    if (kind === undefined) {
      const form = `a runtime, a blank, a hash: ${CODE_MAX} characters at most`;
      throw new CtdbxError("state", `Cannot offer ${name}: its code must be said as ${form}`);
    }
    this.#messages = messages;
    this.#program = program;
    this.#name = name;
    this.#code = code;
    this.#srvids = [srvidOf(`${name} ${kind}`), srvidOf(`${name} ${code}`)];
  }

  /** Others can see it from now on; `isSure`: nobody needs to be asked. Throws "exists". */
  async begin(nodes: DataNode["nodes"], isSure: boolean): Promise<void> {
    // Where it cannot be entered nobody can compare; that harms nothing else.
    for (const srvid of this.#srvids) this.#messages.register(this.#program, srvid).catch(() => {});
    if (isSure) return;
    const [all, same] = await Promise.all(
      this.#srvids.map((srvid) => this.#messages.count("all", { srvid }, LOOK_MS)),
    );
    const others = (all?.counts ?? []).filter(({ nodeId, count }) => {
      const heard = same?.counts.find((one) => one.nodeId === nodeId);
      return heard !== undefined && count > heard.count;
    });
    if (others.length === 0) return;
    this.end();
    const names = others.map(({ nodeId }) =>
      nodes.find((node) => node.nodeId === nodeId)?.name ?? nodeId.slice(0, 8)
    );
    const where = `a program at ${names.sort().join(", ")} offers other code under this name`;
    throw new CtdbxError(
      "exists",
      `Cannot offer ${this.#name} (${this.#code}): ${where}; raise the version, or run one code everywhere`,
    );
  }

  /** It is offered no more. */
  end(): void {
    for (const srvid of this.#srvids) {
      this.#messages.unregister(this.#program, srvid).catch(() => {});
    }
  }
}

/** A srvid of a text: 48 bits of its FNV-1a hash. */
function srvidOf(text: string): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (let at = 0; at < text.length; at++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(at))) * 0x100_0000_01b3n);
  }
  return (WATCH_TOP << 56n) | (CODE_TOP << 48n) | (hash >> 16n);
}
