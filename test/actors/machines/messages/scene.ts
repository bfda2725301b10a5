/**
 * A small cluster for directed tests: nodes that run and know each other, and all that happens there.
 *
 *   const scene = new Scene(2);   const one = scene.program(0, 5n);   scene.send(one, 1, 5n, "text");
 *
 * Does NOT promise: faults; a test makes those that it needs.
 */
import type {
  MessageAnswer,
  MessageEffect,
  ProgramItem,
} from "../../../../actors/machines/messages/events.ts";
import {
  defaultMessageTiming,
  type MessageTiming,
} from "../../../../actors/machines/messages/tunables.ts";
import { MessageRig, type RigProgram } from "../../../../actors/machines/sim/messages/rig.ts";
import { PROGRAM_BODY_MAX } from "../../../../transport/wire/program_layout.ts";

type Publish = Extract<MessageEffect, { type: "publish" }>;

/** Nodes that run and know each other, and what happens there. */
export class Scene {
  readonly rig: MessageRig;
  /** By program, in words: the data as text, or what was told. */
  readonly got = new Map<RigProgram, string[]>();
  readonly effects: { readonly node: number; readonly effect: MessageEffect }[] = [];

  constructor(nodes: number, timing: Partial<MessageTiming> = {}, bodyMax = PROGRAM_BODY_MAX) {
    this.rig = new MessageRig(1, nodes, { ...defaultMessageTiming(), ...timing }, bodyMax, {
      onItem: (program, item) => void this.of(program).push(said(item)),
      onEffect: ({ index: node }, effect) => void this.effects.push({ node, effect }),
    });
    for (let n = 0; n < nodes; n++) this.rig.start(n);
    this.rig.run(100);
  }

  of(program: RigProgram): string[] {
    const known = this.got.get(program) ?? [];
    this.got.set(program, known);
    return known;
  }

  /** A program with these srvids. */
  program(node: number, ...srvids: bigint[]): RigProgram {
    const program = this.rig.come(node, 100 + node, 7n);
    for (const srvid of srvids) this.rig.register(program, srvid);
    return program;
  }

  send(from: RigProgram, to: number | "all" | "connected", srvid: bigint, text: string) {
    const at = typeof to === "number" ? this.rig.node(to).nodeId : to;
    return this.rig.send(from, at, srvid, new TextEncoder().encode(text));
  }

  /** What was published since the last call. */
  published(): Publish[] {
    const found = this.effects.flatMap(({ effect }) => effect.type === "publish" ? [effect] : []);
    this.effects.length = 0;
    return found;
  }

  answer(node: number, askId: number): MessageAnswer | undefined {
    return this.rig.node(node).answers.get(askId)?.[0];
  }

  /** Has every node said which srvids it wants? */
  narrow(from: RigProgram): void {
    this.send(from, "all", 0xdeadn, "to nobody");
    this.rig.run(100);
    this.published();
  }
}

function said(item: ProgramItem): string {
  switch (item.type) {
    case "message":
      return new TextDecoder().decode(item.data.subarray(0, 20));
    case "gap":
      return `gap of ${item.count} from ${item.from.program} on ${item.srvid}`;
    case "life":
      return `life of ${item.pnn}`;
    case "ended":
      return item.code;
  }
}
