/**
 * One seed of messages: a cluster drawn with its times and faults, twenty seconds of traffic and trouble, then quiet.
 *
 *   trouble: crashes and starts, new lives, nodes off the list, cuts one way and both, programs that come, go, stop
 *            reading, register and end it; loss, repetition, delay, overtaking; tiny queues and windows
 *   quiet:   all run, all read, nothing is lost; then everybody sends once more to all
 *
 * Does NOT promise: to find what needs more than six nodes.
 */
import { textHash } from "../../mix.ts";
import type { SendTo } from "../../messages/events.ts";
import type { MessageTiming } from "../../messages/tunables.ts";
import { MESSAGE_TUNABLES } from "../../messages/tunables.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import { SRVID_ALL } from "../../../../transport/wire/messages/program.ts";
import { PROGRAM_BODY_MAX } from "../../../../transport/wire/program_layout.ts";
import type { Dice } from "../../../../transport/world.ts";
import { MessageJudge } from "./judge.ts";
import { MessageRig, type MessageWatcher, NO_MESSAGE_FAULTS, type RigProgram } from "./rig.ts";

const TROUBLE_MS = 20_000;
/** Longer than all waits and repetitions together. */
const QUIET_MS = 15_000;
const SRVIDS = [1n, 2n, 3n, 0xfe00_0000_0000_0000n, 0xf201_0000_0000_0007n, SRVID_ALL];

/** What became of a seed. */
export interface MessageOutcome {
  readonly faults: readonly string[];
  readonly sent: number;
  readonly refused: number;
  readonly seen: MessageJudge["seen"];
  /** Of all that was done, in order: equal on every runtime. */
  readonly trace: number;
}

/** One run. */
class Run {
  readonly dice: Dice;
  readonly rig: MessageRig;
  readonly judge: MessageJudge;
  trace = 0;
  sent = 0;
  refused = 0;
  #nextId = 1;

  constructor(seed: number, watch?: MessageWatcher) {
    this.dice = new SeededDice(seed);
    const bodyMax = pick(this.dice, [PROGRAM_BODY_MAX, 400, 120]);
    this.rig = new MessageRig(
      this.dice.u32(),
      2 + this.dice.below(5),
      drawTiming(this.dice),
      bodyMax,
      {
        onItem: (program, item) => {
          watch?.onItem?.(program, item);
          this.judge.onItem(program, item);
        },
        onEffect: (node, effect) => {
          watch?.onEffect?.(node, effect);
          this.trace = textHash(`${node.index} ${effect.type} ${this.rig.nowMs}`, this.trace);
          if (effect.type !== "answer") return;
          const { askId, answer } = effect;
          if (answer.type === "registered") this.judge.registered(askId, answer.unheard);
        },
      },
    );
    this.judge = new MessageJudge(this.rig);
  }

  /** Everything. */
  run(): void {
    const { dice, rig } = this;
    rig.faults = {
      loss: pick(dice, [0, 20, 100, 300]),
      twice: pick(dice, [0, 100, 500]),
      delayMs: pick(dice, [1, 5, 30]),
      overtakes: dice.chance(1, 2),
    };
    for (const { index } of rig.nodes) rig.start(index);
    const [often, pauseMs] = pick(dice, [[10, 30], [40, 60], [100, 10]] as const);
    while (rig.nowMs < TROUBLE_MS) {
      if (dice.chance(1, often)) this.#trouble();
      else if (dice.chance(1, 8)) this.#change();
      else for (let count = dice.below(4); count >= 0; count--) this.#send();
      rig.run(dice.below(pauseMs * 16) / 16);
    }
    this.#peace();
  }

  #programs(): RigProgram[] {
    return this.rig.nodes.flatMap(({ programs }) => programs);
  }

  #send(): void {
    const { dice, rig } = this;
    const programs = this.#programs();
    if (programs.length === 0) return;
    const to: SendTo = dice.chance(1, 2)
      ? pick(dice, rig.nodes).nodeId
      : pick(dice, ["all", "connected"] as const);
    const size = dice.chance(1, 10) ? dice.below(1500) : dice.below(60);
    this.#sendOne(pick(dice, programs), to, pick(dice, SRVIDS), size);
  }

  #sendOne(program: RigProgram, to: SendTo, srvid: bigint, size: number): void {
    const { rig, judge } = this;
    if (program.node.incarnation === 0n) return;
    const id = this.#nextId++;
    const answer = rig.send(program, to, srvid, MessageJudge.dataOf(id, size));
    if (answer.type === "sent") {
      judge.sent(program, to, srvid, id, size);
      this.sent++;
    } else this.refused++;
  }

  /** A program comes, goes, or changes what it does. */
  #change(): void {
    const { dice, rig, judge } = this;
    const programs = this.#programs();
    const node = pick(dice, rig.nodes);
    if (programs.length < 2 || (dice.chance(1, 6) && programs.length < 12)) {
      if (node.machine !== undefined) {
        rig.come(node.index, 1 + dice.below(3), BigInt(dice.below(3)));
      }
      return;
    }
    const program = pick(dice, programs);
    switch (dice.below(8)) {
      case 0:
        return rig.leave(program);
      case 1: {
        program.isReading = dice.chance(1, 2);
        return program.isReading ? rig.read(program) : undefined;
      }
      case 2: {
        const [srvid] = judge.srvidsOf(program);
        if (srvid === undefined) return;
        rig.register(program, srvid, true);
        return judge.unregistered(program, srvid);
      }
      case 3:
        return void rig.where(program.node.index, pick(dice, SRVIDS), 500);
      default:
        return this.#register(program, pick(dice, SRVIDS.slice(0, dice.chance(1, 6) ? 6 : 5)));
    }
  }

  #register(program: RigProgram, srvid: bigint): void {
    const { rig, judge } = this;
    // The answer may come in the same step.
    const askId = rig.register(program, srvid);
    const [answer] = program.node.answers.get(askId) ?? [];
    if (answer?.type === "refused") return;
    judge.registering(program, srvid, askId);
    if (answer?.type === "registered") judge.registered(askId, answer.unheard);
  }

  /** One thing goes wrong, or right again. */
  #trouble(): void {
    const { dice, rig } = this;
    const { index } = pick(dice, rig.nodes);
    const other = pick(dice, rig.nodes).index;
    const deeds = [
      () => rig.crash(index),
      () => rig.start(index),
      () => rig.start(index),
      () => rig.renew(index),
      () => rig.cut(index, other),
      () => {
        for (const { index: third } of rig.nodes) {
          rig.cut(index, third);
          rig.cut(third, index);
        }
      },
      () => rig.heal(),
      () => {
        rig.heal();
        for (const node of rig.nodes) rig.tell(node, { type: "again" });
      },
      () => this.#setNode(index, dice.chance(2, 3)),
      () => {
        rig.node(index).isMember = dice.chance(2, 3);
        rig.decree();
      },
    ];
    pick(dice, deeds)();
  }

  /** Off the list of nodes, or on it again: then in another life. */
  #setNode(index: number, isNode: boolean): void {
    const node = this.rig.node(index);
    if (node.isNode === isNode) return;
    node.isNode = isNode;
    if (isNode) this.rig.renew(index);
    this.rig.decree();
  }

  #peace(): void {
    const { rig, judge } = this;
    rig.faults = NO_MESSAGE_FAULTS;
    rig.heal();
    for (const node of rig.nodes) {
      this.#setNode(node.index, true);
      node.isMember = true;
      rig.start(node.index);
      if (node.programs.length === 0) rig.come(node.index, 1, 1n);
    }
    rig.decree();
    for (const program of this.#programs()) {
      program.isReading = true;
      rig.read(program);
    }
    rig.run(QUIET_MS);
    for (const program of this.#programs()) this.#register(program, 1n);
    rig.run(QUIET_MS);
    // One after another: in the smallest queues there is room for a few.
    for (const program of this.#programs()) {
      this.#sendOne(program, "all", 1n, 10);
      rig.run(1000);
    }
    const looks = rig.nodes.map(({ index }) => [index, rig.where(index, 1n, 2000)] as const);
    rig.run(QUIET_MS);
    judge.end();
    for (const [index, askId] of looks) this.#judgeLook(index, askId);
    this.#judgeQuiet();
  }

  #judgeLook(index: number, askId: number): void {
    const [answer] = this.rig.node(index).answers.get(askId) ?? [];
    const wanted = this.rig.nodes.map(({ nodeId, programs }) => `${nodeId} ${programs.length}`);
    const counts = answer?.type === "counted"
      ? answer.counts.map(({ nodeId, count }) => `${nodeId} ${count}`).sort()
      : [];
    if (counts.join() !== wanted.join()) this.judge.faults.push(`${index} counts ${counts.join()}`);
  }

  /** Nothing is under way any more, and every question has one answer. */
  #judgeQuiet(): void {
    const { judge, rig } = this;
    for (const { index, machine, answers } of rig.nodes) {
      for (const link of machine?.links() ?? []) {
        if (link.count > 0) {
          judge.faults.push(`${index} still has ${link.count} for ${link.nodeId}`);
        }
      }
      for (const [askId, all] of answers) {
        if (all.length !== 1) judge.faults.push(`${index}: ${askId} has ${all.length} answers`);
      }
    }
  }
}

/** Runs one seed. `watch`: to look closer at one that failed. */
export function runMessageSeed(seed: number, watch?: MessageWatcher): MessageOutcome {
  const run = new Run(seed, watch);
  run.run();
  const { judge, sent, refused, trace } = run;
  return { faults: judge.faults, sent, refused, seen: judge.seen, trace };
}

function drawTiming(dice: Dice): MessageTiming {
  const isWild = dice.chance(3, 4);
  const entries = Object.values(MESSAGE_TUNABLES).map(({ name, value, wild }) =>
    [name, isWild && dice.chance(1, 2) ? pick<number>(dice, wild) : value] as const
  );
  return Object.fromEntries(entries) as MessageTiming;
}

function pick<T>(dice: Dice, choices: readonly T[]): T {
  return choices[dice.below(choices.length)] as T;
}
