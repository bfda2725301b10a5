/**
 * A scenario of records: a cluster in virtual time without chance, with programs that do what the commands say; all
 * messages about the keys that were named stand below, with what each program was told.
 *
 *   nodes 3                          the first lines say what the cluster is
 *   > write n1 k 7                   a command
 *     3001.0 n1 req to n0            what happened meanwhile, at the simulated time in ms
 *     3004.0 n1 k: ok
 *
 *   bun test/scenarios/record/scenario.ts --rewrite [FILES]      writes what happens now; read the difference
 *
 * Does NOT promise: that the times stay when the machine changes; their order is what is read.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Key } from "../../../actors/machines/record/copy.ts";
import type { RecordEffect } from "../../../actors/machines/record/events.ts";
import { defaultRecordTiming } from "../../../actors/machines/record/tunables.ts";
import type { RecordTiming } from "../../../actors/machines/record/tunables.ts";
import type { SimClient } from "../../../actors/machines/sim/records/record_host.ts";
import type { RecordHost } from "../../../actors/machines/sim/records/record_host.ts";
import { RecordSim } from "../../../actors/machines/sim/records/record_sim.ts";
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import { namesIn, rewriteScripts, type Script, tellScript, textIn, type Told } from "../script.ts";
import { RECORD_COMMANDS } from "./commands.ts";

/** Where they are. */
const FOLDER = dirname(fileURLToPath(import.meta.url));
/** What is told of the cluster beside the records. */
const TOLD = new Set(["effective", "new life", "fault"]);

/** A scenario that runs. */
export interface Stage {
  readonly sim: RecordSim;
  readonly programs: readonly Program[];
  /** Keys that were named. */
  readonly keys: Set<Key>;
  /** Messages that are lost. */
  readonly drops: { readonly kind: string; readonly from: number; readonly to: number }[];
  readonly lines: string[];
}

/** The program of a node: it does what it is told, and says what it hears. */
export class Program implements SimClient {
  readonly id = 1;
  readonly #host: RecordHost;
  readonly #say: (text: string) => void;
  readonly #asked = new Map<
    number,
    { readonly key: Key; readonly write: Uint8Array | undefined }
  >();
  /** Locks that it has. */
  readonly locks = new Map<Key, number>();

  constructor(host: RecordHost, say: (text: string) => void) {
    this.#host = host;
    this.#say = (text) => say(`n${host.host.index} ${text}`);
    host.clients.set(this.id, this);
  }

  /** Asks the daemon for something; `write`: what is stored when it is locked. */
  ask(key: Key, wish: Parameters<typeof this.opOf>[1], write?: Uint8Array): void {
    const op = this.opOf(key, wish);
    this.#asked.set(op.id, { key, write });
    this.#host.opClients.set(op.id, this);
    this.#host.feed({ kind: "op", op });
  }

  opOf(key: Key, wish: Extract<Parameters<RecordHost["feed"]>[0], { kind: "op" }>["op"]["wish"]) {
    const { host } = this.#host;
    const deadlineMs = host.clock(this.#host.nowMs + 5_000);
    return { id: this.#host.nextOpId(), client: this.id, key, deadlineMs, wish };
  }

  /** Gives a lock back. */
  unlock(key: Key, data?: Uint8Array): void {
    const id = this.locks.get(key);
    if (id === undefined) throw new TypeError(`Nobody has locked ${key} in the scenario`);
    this.locks.delete(key);
    this.#host.feed({ kind: "unlock", id, ...(data === undefined ? {} : { data }) });
  }

  onEffect(effect: RecordEffect): void {
    if (!("id" in effect)) return;
    const asked = this.#asked.get(effect.id);
    if (asked === undefined) return;
    const { key, write } = asked;
    if (effect.kind === "locked") {
      if (write !== undefined) {
        return this.#host.feed({ kind: "unlock", id: effect.id, data: write });
      }
      this.locks.set(key, effect.id);
      this.#say(`${key}: locked, ${valueText(effect.data)}`);
    } else if (effect.kind === "ready") this.#say(`${key}: ready`);
    else if (effect.kind === "answer") {
      const { outcome, why, result } = effect;
      const more = why === undefined ? "" : ` (${why})`;
      this.#say(`${key}: ${outcome}${more}${result === undefined ? "" : `, ${valueText(result)}`}`);
    }
  }

  onDaemon(isUp: boolean): void {
    if (isUp) return;
    this.#asked.clear();
    this.locks.clear();
  }

  onPowerOff(): void {}
}

function valueText(value: Uint8Array): string {
  return value.length === 0 ? "empty" : `[${[...value].join(" ")}]`;
}

const SCRIPT: Script<Stage> = {
  folder: FOLDER,
  program: "test/scenarios/record/scenario.ts",
  open,
  commands: RECORD_COMMANDS,
  lines: ({ lines }) => lines.splice(0),
  violations: ({ sim }) => {
    sim.judge();
    return sim.checkers.violations;
  },
};

/** The names of all scenarios of records, sorted. */
export function scenarioNames(): string[] {
  return namesIn(FOLDER);
}

/** The text of a scenario. */
export function scenarioText(name: string): string {
  return textIn(FOLDER, name);
}

/** Runs a scenario. Throws on a command that it does not know. */
export function tell(text: string): Told {
  return tellScript(SCRIPT, text);
}

function open(settings: ReadonlyMap<string, number>): Stage {
  const lines: string[] = [];
  const drops: Stage["drops"] = [];
  const keys = new Set<Key>();
  const timing: Record<string, number> = { ...defaultRecordTiming() };
  for (const [name, value] of settings) if (name in timing) timing[name] = value;
  const say = (text: string) => lines.push(`  ${sim.nowMs.toFixed(1)} ${text}`);
  const sim: RecordSim = new RecordSim({
    seed: 1,
    nodes: settings.get("nodes") ?? 3,
    isCalm: true,
    recordTiming: timing as unknown as RecordTiming,
    onNote: (_, node, what, text) => {
      if (TOLD.has(what)) say(`n${node} ${text === "" ? what : text}`);
    },
    onRecord: (from, to, message) => {
      const isLost = drops.some((drop) =>
        drop.kind === message.kind && drop.from === from && drop.to === to
      );
      const isOf = "key" in message ? keys.has(message.key) : false;
      if (isOf && from !== to) say(messageText(from, to, message) + (isLost ? " (lost)" : ""));
      return !isLost;
    },
  });
  const programs = sim.recordHosts.map((host) => new Program(host, say));
  sim.start();
  sim.run(3_000);
  lines.length = 0;
  return { sim, programs, keys, drops, lines };
}

function messageText(from: number, to: number, message: RecordMessage): string {
  const more = message.kind === "recall"
    ? ` for n${message.to.pnn}`
    : message.kind === "grant" || message.kind === "ro"
    ? `, ${valueText(message.copy.data)}`
    : message.kind === "call_no" || message.kind === "ro_no"
    ? `: ${message.why}`
    : message.kind === "query_answer"
    ? `: ${message.stand === undefined ? "nothing" : message.stand.owner ? "its owner" : "a copy"}`
    : "";
  return `n${from} ${message.kind} to n${to}${more}`;
}

if (import.meta.main) rewriteScripts(SCRIPT);
