/**
 * The health of a node: what its parts say of it, put together into one word.
 *
 *   checks, event scripts, data thread ── set(source, { ok, why, tail }) ──▶ all ok? ──▶ the cluster machine ("health")
 *                                                                            └──▶ watchers
 *
 * The machine puts the word into heartbeats; what becomes of it there is in docs/CLUSTER.md: an unhealthy node stays a
 * member, leads last, and has no addresses.
 *
 * Does NOT promise: to know of the node's own metadata; a write that fails is seen by the cluster machine itself.
 */
import { fitText, TEXT_MAX } from "../../transport/wire/limits.ts";

/** Sources of one node; there are as many as checks, and a few more. */
export const SOURCES_MAX = 256;
/** What the names of sources that are checks begin with. */
export const CHECK_SOURCE = "check ";
/** The end of what a source's program said, characters. */
export const HEALTH_TAIL_MAX = 1024;

/** What a source says. */
export interface HealthWord {
  readonly ok: boolean;
  /** Why not, a phrase without the source's name. */
  readonly why?: string;
  /** The end of what was said by what it looked at. */
  readonly tail?: string;
}

/** A source, by its name. */
export interface HealthSource extends HealthWord {
  readonly source: string;
}

/** All of it. */
export interface Verdict {
  readonly healthy: boolean;
  /** What is wrong, each source by its name; at most TEXT_MAX characters. Undefined: nothing. */
  readonly why?: string;
  /** In the order in which they came. */
  readonly sources: readonly HealthSource[];
}

/** The health of one node. */
export class NodeHealth {
  readonly #tell: (health: { readonly healthy: boolean; readonly why?: string }) => void;
  readonly #sources = new Map<string, HealthWord>();
  readonly #watchers = new Set<(verdict: Verdict) => void>();
  #told = "";

  /** `tell` hears each change of the word or its reason; a node of which nothing is said is healthy. */
  constructor(tell: (health: { readonly healthy: boolean; readonly why?: string }) => void) {
    this.#tell = tell;
  }

  /** A source's word, which replaces its former one. Throws RangeError on more than SOURCES_MAX sources. */
  set(source: string, { ok, why, tail }: HealthWord): void {
    if (!this.#sources.has(source) && this.#sources.size >= SOURCES_MAX) {
      throw new RangeError(`SOURCES_MAX is ${SOURCES_MAX}`);
    }
    this.#sources.set(source, {
      ok,
      ...why === undefined ? {} : { why: fitText(why) },
      ...tail === undefined ? {} : { tail: tailText(tail, HEALTH_TAIL_MAX) },
    });
    this.#changed();
  }

  /** It has nothing to say any more. */
  drop(source: string): void {
    if (this.#sources.delete(source)) this.#changed();
  }

  /** How the node is, now. */
  get verdict(): Verdict {
    const sources = [...this.#sources].map(([source, word]) => ({ source, ...word }));
    const bad = sources.filter(({ ok }) => !ok);
    const why = bad.map(({ source, why }) => why === undefined ? source : `${source}: ${why}`);
    return {
      healthy: bad.length === 0,
      ...bad.length === 0 ? {} : { why: fitText(why.join("; "), TEXT_MAX) },
      sources,
    };
  }

  /** Calls `onVerdict` when the word or its reason has changed. Answers how to end it. */
  watch(onVerdict: (verdict: Verdict) => void): () => void {
    const call = (verdict: Verdict): void => onVerdict(verdict);
    this.#watchers.add(call);
    return () => void this.#watchers.delete(call);
  }

  #changed(): void {
    const verdict = this.verdict;
    const { healthy, why } = verdict;
    const told = `${healthy} ${why ?? ""}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#tell({ healthy, ...why === undefined ? {} : { why } });
    for (const onVerdict of [...this.#watchers]) onVerdict(verdict);
  }
}

/** The end of a text, at most `max` characters: what a program says last is mostly why it failed. */
export function tailText(text: string, max: number): string {
  const whole = text.toWellFormed();
  return whole.length <= max ? whole : `...${whole.slice(3 - max).toWellFormed()}`;
}

/** What a program said, as text that is safe to show: no signs that steer a terminal. The end, when it is long. */
export function plainTail(text: string, max: number): string {
  const plain = text.toWellFormed().replace(STEERING, "").replace(UNSEEN, "\ufffd");
  return tailText(plain, max);
}

/** Colours and other orders to a terminal, and carriage returns. */
// deno-lint-ignore no-control-regex
const STEERING = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[@-_]|\r/g;
/** Signs that are not seen; new lines and tabs are. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
