/**
 * What was sent to whom, and whether what the programs got follows from it.
 *
 *   sent to a registered program      ─▶ awaited
 *   got                               ─▶ awaited before it and not got: must have been told as a gap, before
 *   a life has ended, slow, unregister ─▶ what is awaited of it is excused
 *   in the end: everything awaited was got, or told
 *
 * And nothing twice, nothing out of order, nothing of a life after its end, every byte as it was sent, and no gap told
 * that is larger than what is missing.
 *
 * Does NOT promise: to judge what is sent to a life that its sender does not know yet, or not any more.
 */
import type { ProgramItem, ProgramSender, SendTo } from "../../messages/events.ts";
import { SRVID_ALL } from "../../../../transport/wire/messages/program.ts";
import type { NodeId } from "../../../../transport/wire/terms.ts";
import type { MessageNode, MessageRig, RigProgram } from "./rig.ts";

interface Sent {
  readonly id: number;
  readonly from: string;
  readonly srvid: bigint;
  readonly size: number;
  readonly isGroup: boolean;
}

/** What one program gets of another. */
interface Stream {
  readonly from: string;
  /** Of the sender's node: its id and life. */
  readonly life: string;
  awaited: Sent[];
  lastId: number;
  isEnded: boolean;
  /** By srvid: gaps told that nothing missing was found for; all told; all got that went to several. */
  readonly spare: Map<bigint, number>;
  readonly told: Map<bigint, number>;
  readonly got: Map<bigint, number>;
}

/** A program as a receiver. */
interface Receiver {
  /** Registered: nodes that may not know of it. Undefined: not answered yet. */
  readonly srvids: Map<
    bigint,
    { readonly askId: number; unheard: ReadonlySet<NodeId> | undefined }
  >;
  readonly streams: Map<string, Stream>;
  /** By a sender's life: gaps told of senders that were not named. */
  readonly any: Map<string, number>;
}

/** The judge of one run. */
export class MessageJudge {
  readonly faults: string[] = [];
  /** How much there was of what. */
  readonly seen = { got: 0, gaps: 0, any: 0, lives: 0, slow: 0, excused: 0 };
  readonly #rig: MessageRig;
  readonly #sent = new Map<number, Sent>();
  readonly #receivers = new Map<RigProgram, Receiver>();
  /** By sender and srvid: sent to several nodes, which is what gaps are told of. */
  readonly #groups = new Map<string, number>();

  constructor(rig: MessageRig) {
    this.#rig = rig;
  }

  /** Bytes of a message with a number. */
  static dataOf(id: number, size: number): Uint8Array {
    const data = new Uint8Array(Math.max(4, size));
    for (let at = 4; at < data.length; at++) data[at] = (id * 31 + at) & 0xff;
    new DataView(data.buffer).setUint32(0, id, true);
    return data;
  }

  /** A program has asked for a srvid. */
  registering(program: RigProgram, srvid: bigint, askId: number): void {
    const { srvids } = this.#of(program);
    if (!srvids.has(srvid)) srvids.set(srvid, { askId, unheard: undefined });
  }

  /** A program has ended a registration. */
  unregistered(program: RigProgram, srvid: bigint): void {
    const receiver = this.#of(program);
    receiver.srvids.delete(srvid);
    const hasAll = receiver.srvids.has(SRVID_ALL);
    for (const stream of receiver.streams.values()) {
      stream.awaited = stream.awaited.filter((one) =>
        receiver.srvids.has(one.srvid) || (hasAll && srvid !== SRVID_ALL)
      );
    }
  }

  /** A registration was answered. */
  registered(askId: number, unheard: readonly NodeId[]): void {
    for (const { srvids } of this.#receivers.values()) {
      for (const one of srvids.values()) if (one.askId === askId) one.unheard = new Set(unheard);
    }
  }

  /** A message was accepted. */
  sent(from: RigProgram, to: SendTo, srvid: bigint, id: number, size: number): void {
    const key = keyOf(from.node, from.program);
    const isGroup = to === "all" || to === "connected";
    const sent: Sent = { id, from: key, srvid, size, isGroup };
    this.#sent.set(id, sent);
    if (isGroup) add(this.#groups, `${key} ${srvid}`, 1);
    for (const node of this.#reached(from.node, to)) {
      for (const program of node.programs) this.#await(program, from.node, sent);
    }
  }

  /** Nodes that the sender's node addresses, in the life in which they are. */
  #reached(from: MessageNode, to: SendTo): MessageNode[] {
    const known = new Map(from.machine?.links().map((link) => [link.nodeId, link]));
    return this.#rig.nodes.filter((node) => {
      if (node.machine === undefined) return false;
      if (node === from) return to === from.nodeId || to === "all";
      const link = known.get(node.nodeId);
      if (link === undefined || link.incarnation !== node.incarnation) return false;
      return to === node.nodeId || to === "all" || (to === "connected" && link.isMember);
    });
  }

  #await(program: RigProgram, from: MessageNode, sent: Sent): void {
    const receiver = this.#receivers.get(program);
    if (receiver === undefined) return;
    // Whoever registered there was told that this life has ended, or came later.
    if (program.node.machine?.isOver(from.nodeId, from.incarnation) === true) return;
    const isSure = [sent.srvid, SRVID_ALL].some((srvid) => {
      const unheard = receiver.srvids.get(srvid)?.unheard;
      return unheard !== undefined && (from === program.node || !unheard.has(from.nodeId));
    });
    if (isSure) this.#stream(receiver, sent.from).awaited.push(sent);
  }

  /** A program has got something. */
  onItem(program: RigProgram, item: ProgramItem): void {
    const receiver = this.#of(program);
    switch (item.type) {
      case "message":
        return this.#onMessage(program, receiver, item);
      case "gap":
        return this.#onGap(receiver, item);
      case "life":
        return this.#onLife(program, receiver, item);
      case "ended":
        this.seen.slow++;
        receiver.srvids.clear();
        for (const stream of receiver.streams.values()) this.#excuse(stream);
    }
  }

  #onMessage(
    program: RigProgram,
    receiver: Receiver,
    { from, srvid, data }: Extract<ProgramItem, { type: "message" }>,
  ): void {
    this.seen.got++;
    const id = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(0, true);
    const sent = this.#sent.get(id);
    const where = `${program.node.index}/${program.program}: message ${id}`;
    if (sent === undefined || sent.from !== keyIn(from) || sent.srvid !== srvid) {
      return this.#fault(`${where} was not sent so`);
    }
    const wanted = MessageJudge.dataOf(id, sent.size);
    if (data.length !== wanted.length || !data.every((byte, at) => byte === wanted[at])) {
      this.#fault(`${where} has other bytes`);
    }
    const stream = this.#stream(receiver, sent.from);
    if (stream.isEnded) this.#fault(`${where} came after its sender's life`);
    if (id <= stream.lastId) this.#fault(`${where} came after ${stream.lastId}`);
    stream.lastId = id;
    if (sent.isGroup) add(stream.got, srvid, 1);
    while (stream.awaited[0] !== undefined && stream.awaited[0].id < id) {
      this.#missing(receiver, stream, stream.awaited.shift() as Sent, where);
    }
    if (stream.awaited[0]?.id === id) stream.awaited.shift();
  }

  #missing(receiver: Receiver, stream: Stream, sent: Sent, where: string): void {
    const spare = stream.spare.get(sent.srvid) ?? 0;
    if (spare > 0) return void stream.spare.set(sent.srvid, spare - 1);
    const any = receiver.any.get(stream.life) ?? 0;
    if (any > 0) return void receiver.any.set(stream.life, any - 1);
    this.#fault(`${where}: ${sent.id} of ${sent.from} is missing without a word`);
  }

  #onGap(receiver: Receiver, item: Extract<ProgramItem, { type: "gap" }>): void {
    const { from, srvid, count } = item;
    if (srvid === undefined) {
      this.seen.any++;
      return add(receiver.any, lifeIn(from), count);
    }
    this.seen.gaps++;
    const stream = this.#stream(receiver, keyIn(from));
    add(stream.spare, srvid, count);
    add(stream.told, srvid, count);
    const sent = this.#groups.get(`${stream.from} ${srvid}`) ?? 0;
    const most = sent - (stream.got.get(srvid) ?? 0);
    if ((stream.told.get(srvid) ?? 0) > most) {
      this.#fault(`a gap of ${count} where ${most} of ${stream.from} can be missing`);
    }
  }

  #onLife(
    program: RigProgram,
    receiver: Receiver,
    { nodeId, before }: Extract<ProgramItem, { type: "life" }>,
  ): void {
    this.seen.lives++;
    const isOwn = nodeId === program.node.nodeId;
    for (const stream of receiver.streams.values()) {
      const [sender = "", life = ""] = stream.life.split(" ");
      const isOver = sender === nodeId && BigInt(life) < before;
      if (isOwn ? sender !== nodeId : isOver) this.#excuse(stream);
      if (isOver && !isOwn) stream.isEnded = true;
    }
  }

  #excuse(stream: Stream): void {
    this.seen.excused += stream.awaited.length;
    stream.awaited = [];
  }

  /** The end, after quiet. */
  end(): void {
    for (const [program, receiver] of this.#receivers) {
      if (program.isOver) continue;
      const where = `${program.node.index}/${program.program}`;
      for (const stream of receiver.streams.values()) {
        for (const sent of stream.awaited) {
          this.#missing(receiver, stream, sent, `${where} at the end`);
        }
      }
    }
  }

  /** Srvids that a program has, as far as it knows. */
  srvidsOf(program: RigProgram): bigint[] {
    return [...this.#of(program).srvids.keys()];
  }

  #of(program: RigProgram): Receiver {
    const known = this.#receivers.get(program);
    if (known !== undefined) return known;
    const made = { srvids: new Map(), streams: new Map(), any: new Map() };
    this.#receivers.set(program, made);
    return made;
  }

  #stream({ streams }: Receiver, from: string): Stream {
    const known = streams.get(from);
    if (known !== undefined) return known;
    const life = from.split(" ").slice(0, 2).join(" ");
    const counts = { spare: new Map(), told: new Map(), got: new Map() };
    const made: Stream = { from, life, awaited: [], lastId: 0, isEnded: false, ...counts };
    streams.set(from, made);
    return made;
  }

  #fault(text: string): void {
    if (this.faults.length < 20) this.faults.push(`${this.#rig.nowMs.toFixed(1)}: ${text}`);
  }
}

function keyOf(node: MessageNode, program: number): string {
  return `${node.nodeId} ${node.incarnation} ${program}`;
}

function keyIn({ nodeId, incarnation, program }: ProgramSender): string {
  return `${nodeId} ${incarnation} ${program}`;
}

function lifeIn({ nodeId, incarnation }: ProgramSender): string {
  return `${nodeId} ${incarnation}`;
}

function add<Key>(counts: Map<Key, number>, key: Key, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
