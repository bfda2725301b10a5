/**
 * What a scenario of records may do. Nodes are n0, n1, ..; each has one program. Keys are words, values bytes.
 *
 *   read | write | lock | unlock | call | delete    by the program of a node
 *   kill | start | pause | resume | drain | run     the nodes, and the time
 *   lose | deliver                                  messages of a kind, from one node to another
 *   where | judge                                   what is there, and what the judges say
 *
 * Does NOT promise: to be complete; a new scenario may bring a new command.
 */
import type { EntryLook, KeyLook } from "../../../actors/machines/record/look.ts";
import type { RecordHost } from "../../../actors/machines/sim/records/record_host.ts";
import { watchKey } from "../../../actors/machines/sim/records/watchers.ts";
import type { Program, Stage } from "./scenario.ts";

type Command = (stage: Stage, words: readonly string[]) => void;

function indexOf({ sim }: Stage, word: string | undefined): number {
  const index = Number(word?.slice(1));
  if (sim.recordHosts[index] === undefined) throw new TypeError(`No such node: ${word}`);
  return index;
}

const hostOf = (stage: Stage, word: string | undefined): RecordHost =>
  stage.sim.recordHosts[indexOf(stage, word)] as RecordHost;

const programOf = (stage: Stage, word: string | undefined): Program =>
  stage.programs[indexOf(stage, word)] as Program;

function keyOf(stage: Stage, word: string | undefined): string {
  if (word === undefined) throw new TypeError("A command of a scenario lacks its key");
  stage.keys.add(word);
  return word;
}

const bytesOf = (words: readonly string[]) => new Uint8Array(words.map(Number));

/** So much time passes after each command that does something. */
const MOMENT_MS = 40;

const after = (stage: Stage, ms = MOMENT_MS) => stage.sim.run(stage.sim.nowMs + ms);

/** By name. */
export const RECORD_COMMANDS: Readonly<Record<string, Command>> = {
  run: (stage, [ms]) => after(stage, Number(ms)),
  read: (stage, [node, key]) => {
    programOf(stage, node).ask(keyOf(stage, key), { what: "read" });
    after(stage);
  },
  write: (stage, [node, key, ...bytes]) => {
    programOf(stage, node).ask(keyOf(stage, key), { what: "lock" }, bytesOf(bytes));
    after(stage);
  },
  lock: (stage, [node, key]) => {
    programOf(stage, node).ask(keyOf(stage, key), { what: "lock" });
    after(stage);
  },
  unlock: (stage, [node, key, ...bytes]) => {
    const data = bytes.length === 0 ? undefined : bytesOf(bytes);
    programOf(stage, node).unlock(keyOf(stage, key), data);
    after(stage);
  },
  call: (stage, [node, key, procedure = "", ...bytes]) => {
    // The simulated procedures want the number of the operation first; nobody judges it here.
    const args = bytesOf(["0", "0", "0", "0", ...bytes]);
    programOf(stage, node).ask(keyOf(stage, key), { what: "call", procedure, args });
    after(stage);
  },
  watch: (stage, [key]) => {
    watchKey(stage.sim, keyOf(stage, key));
    after(stage, 2_000);
  },
  told: (stage, [key]) => {
    for (const { data, life } of stage.sim.ledger.told.get(keyOf(stage, key)) ?? []) {
      stage.lines.push(`  n${life}: [${[...data].join(" ")}]`);
    }
  },
  kill: (stage, [node]) => hostOf(stage, node).host.kill(),
  start: (stage, [node]) => hostOf(stage, node).host.start(),
  pause: (stage, [node]) => hostOf(stage, node).stop(),
  resume: (stage, [node]) => hostOf(stage, node).host.resume(),
  drain: (stage, [node]) => {
    const pnn = hostOf(stage, node).machine?.state.pnn;
    if (pnn === undefined) throw new TypeError(`${node} is no member`);
    const command = {
      verb: "flags",
      pnn,
      set: ["draining"],
      clear: [],
      why: "a scenario",
    } as const;
    for (const { host } of stage.sim.recordHosts) {
      if (host.machine?.state.lead === undefined) continue;
      host.feed({ kind: "command", verbId: "1".repeat(32), command });
    }
  },
  left: (stage, [node]) => {
    const pnn = hostOf(stage, node).machine?.state.pnn;
    for (const { machine, host } of stage.sim.recordHosts) {
      if (pnn === undefined || machine === undefined || machine.state.pnn === pnn) continue;
      stage.lines.push(`  n${host.index} knows of ${machine.leftAt(pnn)}`);
    }
  },
  lose: (stage, [kind = "", from, to]) => {
    stage.drops.push({ kind, from: indexOf(stage, from), to: indexOf(stage, to) });
  },
  deliver: (stage) => {
    stage.drops.length = 0;
  },
  where: (stage, [key]) => {
    const name = keyOf(stage, key);
    for (const { machine, host } of stage.sim.recordHosts) {
      const look = machine?.lookAt(name);
      const text = look === undefined ? "down" : whereText(look, host.index);
      stage.lines.push(`  n${host.index} ${text}`);
    }
  },
  judge: (stage) => {
    stage.sim.judge();
    const { violations } = stage.sim.checkers;
    for (const { rule, text } of violations) stage.lines.push(`  ${rule}: ${text}`);
    if (violations.length === 0) stage.lines.push("  well");
  },
};

function whereText(look: KeyLook, own: number): string {
  const { role, copy, entry, readers, home } = look;
  const more = [
    ...(copy === undefined ? [] : [`rsn ${copy.rsn}, ${copy.size} bytes`]),
    ...(readers.length === 0 ? [] : [`read by ${readers.map(({ pnn }) => `n${pnn}`).join(", ")}`]),
    ...(home?.pnn === own ? [`home: ${entryText(entry)}`] : []),
  ];
  return [role, ...more].join("; ");
}

function entryText(entry: EntryLook | "closed" | undefined): string {
  if (entry === undefined) return "it does not exist";
  if (entry === "closed") return "closed";
  const holder = entry.holder === undefined ? "nobody has it" : `n${entry.holder.pnn} has it`;
  return entry.phase === "idle" ? holder : `${holder}, ${entry.phase}`;
}
