/**
 * Mutated batches of any kind: what leaves a good node and is changed on the way, by chance or with intent.
 *
 *   good batch of one to three messages of a kind ─▶ bits, bytes, pieces, counts changed ─▶ read ─▶ a verdict
 *
 * A run judges the verdict: a batch that would be written with the same bytes, or a refusal with a code and a short
 * text; nothing is thrown, nothing of the payload is changed.
 *
 * Does NOT promise: the same mutations after a change of the declarations; a seed counts for one version.
 */
import fc from "fast-check";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { isRefusal, REFUSAL_MEANING } from "../../../transport/wire/envelope.ts";
import { FAULT_TEXT_MAX } from "../../../transport/wire/limits.ts";
import type { BatchHead } from "../../../transport/wire/batch_layout.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { type BatchRig, hexOf, poked } from "./batch_rig.ts";
import { CLUSTER, ONE } from "./two_nodes.ts";

/** Batches of each kind to begin with. */
const SAMPLES = 4;
const TAG = tagOf(ONE);

/** Runs mutations and counts verdicts. */
export class BatchMutations<H extends BatchHead, M extends { readonly kind: string }> {
  /** How often each verdict came: a code of refusals, "taken", or "waits" for a part. */
  readonly counts = new Map<string, number>();
  readonly #rig: BatchRig<H, M>;
  readonly #seedlings: readonly Uint8Array[];
  readonly #reader;

  constructor(rig: BatchRig<H, M>) {
    this.#rig = rig;
    this.#reader = rig.parts.reader(CLUSTER);
    const some = { numRuns: SAMPLES, seed: 9 };
    this.#seedlings = rig.kinds.flatMap((kind) =>
      fc.sample(fc.array(rig.anyOfKind(kind), { minLength: 1, maxLength: 3 }), some)
    ).map((messages) => rig.written(rig.batchOf(...messages)));
  }

  /** One mutation; throws when its verdict is wrong. */
  run(seed: number): void {
    const dice = new SeededDice(seed);
    const { declared, headSize, writer } = this.#rig.parts;
    const bytes = mutated(
      this.#seedlings[dice.below(this.#seedlings.length)] ?? TINY,
      headSize,
      dice,
    );
    const before = hexOf(bytes);
    const result = this.#reader.read(bytes, TAG, 0);
    if (hexOf(bytes) !== before) throw new Error("the payload was changed");
    let verdict = "waits";
    if (result !== undefined && isRefusal(result)) {
      verdict = result.refused;
      if (!Object.hasOwn(REFUSAL_MEANING, verdict)) throw new Error(`no such code: ${verdict}`);
      const { length } = result.text;
      if (length < 1 || length > FAULT_TEXT_MAX) throw new Error(`a text of ${length}`);
    } else if (result !== undefined) {
      verdict = "taken";
      const { from, ...body } = result;
      const fault = declared.faultOf(body);
      if (fault !== "") throw new Error(`taken, but not of its form: ${fault}`);
      // A tag is a part of an id: the sender may be another one.
      const [again = TINY, ...more] = writer(CLUSTER, from, 1n).write(result);
      const isSame = more.length === 0 && hexOf(again) === before;
      if (!isSame) throw new Error(`other bytes: ${before} and ${hexOf(again)}`);
    }
    this.counts.set(verdict, (this.counts.get(verdict) ?? 0) + 1);
  }
}

const TINY = new Uint8Array(1);

/** One to three changes that mean something in this layout. */
function mutated(bytes: Uint8Array, headSize: number, dice: SeededDice): Uint8Array {
  let copy: Uint8Array = bytes.slice();
  for (let times = 1 + dice.below(3); times > 0; times--) {
    // Mostly behind the head, where there is more to be wrong.
    const from = dice.chance(7, 8) ? Math.min(headSize, copy.length - 1) : 0;
    const at = from + dice.below(copy.length - from);
    switch (dice.below(6)) {
      case 0:
        copy[at] = dice.below(256);
        break;
      case 1:
        copy[at] = (copy[at] ?? 0) ^ (1 << dice.below(8));
        break;
      case 2:
        copy = copy.slice(0, Math.max(1, at));
        break;
      case 3:
        copy = Uint8Array.from([...copy.subarray(0, at), ...copy.subarray(Math.max(0, at - 12))]);
        break;
      case 4:
        copy[at] = dice.below(4);
        break;
      default:
        // How many messages there are.
        copy[2 + dice.below(2)] = dice.below(3);
    }
  }
  return copy.length >= 8 && dice.chance(7, 8) ? poked(copy, 4, copy.length) : copy;
}
