/**
 * The messages of one program, as its session hands them on.
 *
 *   post ─▶ Messages          Messages ─▶ items ─▶ program ─▶ took
 *
 * What the program has not taken is counted by Messages, which ends the registrations of one that does not take.
 *
 * Does NOT promise: that a program takes what it gets.
 */
import { ITEM, writeItem } from "../../transport/wire/client/bodies.ts";
import type { ItemBody, PostBody } from "../../transport/wire/client/bodies.ts";
import { FRAME } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import { WATCH_TOP } from "../../transport/wire/watch_layout.ts";
import type { NodeId, Pnn } from "../../transport/wire/terms.ts";
import { itemBytes } from "../machines/messages/events.ts";
import type { ProgramItem, ProgramLook, SendTo } from "../machines/messages/events.ts";
import type { Session } from "./session.ts";

/** Bytes of items in one frame; a longer one goes alone. */
const FRAME_BYTES = 256 * 1024;
/** A question for programs waits so long for the nodes, ms, at most. */
const COUNT_MS_MAX = 60_000;
const NO_BYTES = new Uint8Array(0);
/** The srvids whose first byte is WATCH_TOP: compared, for a shift of a bigint makes another one. */
const WATCH_FIRST = WATCH_TOP << 56n;
const WATCH_LAST = WATCH_FIRST | 0xff_ffff_ffff_ffffn;

/** One program's. */
export class SessionMessages {
  readonly #session: Session;
  readonly #nodes = new Map<number, NodeId>();
  #program = 0;
  /** Handed on and not taken. */
  #count = 0;
  #bytes = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Its number among the programs of this node; 0: it has none yet. */
  get program(): number {
    return this.#program;
  }

  /** The program has come. */
  open(): void {
    const { parts: { host, files }, pid, client } = this.#session;
    // A process of another machine is not known here by its number.
    this.#program = host.messages.open(files === undefined ? 0 : pid, BigInt(client));
  }

  /** It has gone. */
  end(): void {
    if (this.#program !== 0) this.#session.parts.host.messages.close(this.#program);
    this.#program = 0;
  }

  /** The program sends; id 0: it does not want to hear how it went. */
  post(id: number, { to, pnn, srvid, data }: PostBody): void {
    const { host } = this.#session.parts;
    if (isOwn(srvid)) return this.#session.failed(id, reserved(srvid));
    const receiver = to === "node" ? this.#nodeOf(pnn) : to;
    if (receiver === undefined) {
      const error = new CtdbxError("not_found", `Cannot send: there is no node ${pnn}`);
      return id === 0 ? undefined : this.#session.failed(id, error);
    }
    if (id === 0) return host.messages.post(this.#program, receiver, srvid, data);
    void this.#send(id, receiver, srvid, data);
  }

  async #send(id: number, to: SendTo, srvid: bigint, data: Uint8Array): Promise<void> {
    const session = this.#session;
    try {
      const { nodes, full } = await session.parts.host.messages.send(
        this.#program,
        to,
        srvid,
        data,
      );
      session.writer.json(FRAME.ok, id, { nodes, full });
      session.sent();
    } catch (error) {
      session.failed(id, error);
    }
  }

  /** The program wants the messages of a srvid. Answers how many nodes had not heard of it in time. */
  async listen(srvid: bigint): Promise<{ readonly unheard: number }> {
    if (isOwn(srvid)) throw reserved(srvid);
    const unheard = await this.#session.parts.host.messages.register(this.#program, srvid);
    return { unheard: unheard.length };
  }

  /** It wants them no more. */
  async unlisten(srvid: bigint): Promise<void> {
    await this.#session.parts.host.messages.unregister(this.#program, srvid);
  }

  /** How many programs are such. */
  async count(
    pnn: number | undefined,
    look: ProgramLook,
    timeoutMs: number,
  ): Promise<Record<string, unknown>> {
    const { messages } = this.#session.parts.host;
    const at = pnn === undefined ? "all" : this.#nodeOf(pnn);
    if (at === undefined) {
      throw new CtdbxError("not_found", `Cannot ask: there is no node ${pnn}`);
    }
    const { counts, unheard } = await messages.count(at, look, Math.min(timeoutMs, COUNT_MS_MAX));
    const nodes = counts.map(({ nodeId, count }) => ({ pnn: this.#pnnOf(nodeId), count }));
    return { nodes, unheard: unheard.map((nodeId) => this.#pnnOf(nodeId)) };
  }

  /** Hands items on. */
  deliver(items: readonly ProgramItem[]): void {
    const session = this.#session;
    const { writer } = session;
    let size = 0;
    for (const item of items) {
      const bytes = itemBytes(item);
      // Who listens to everything does not get what data threads tell each other.
      if (item.type === "message" && isOwn(item.srvid)) {
        session.parts.host.messages.took(this.#program, 1, bytes);
        continue;
      }
      this.#count += 1;
      this.#bytes += bytes;
      if (size > 0 && size + bytes > FRAME_BYTES) {
        writer.end();
        size = 0;
      }
      if (size === 0) writer.begin(FRAME.items, 0);
      size += bytes;
      writeItem(writer, bodyOf(item));
    }
    if (size > 0) writer.end();
    session.sent();
  }

  /** Something that it posted was not accepted. */
  refused(code: ErrorCode, text: string): void {
    this.#session.writer.json(FRAME.error, 0, { code, text });
    this.#session.sent();
  }

  /** The program has taken some: no more than it got. */
  took(count: number, bytes: number): void {
    const [taken, size] = [Math.min(count, this.#count), Math.min(bytes, this.#bytes)];
    this.#count -= taken;
    this.#bytes -= size;
    if (taken > 0) this.#session.parts.host.messages.took(this.#program, taken, size);
  }

  /** A number is given once in a cluster, so what was found once is so for ever. */
  #nodeOf(pnn: number): NodeId | undefined {
    const known = this.#nodes.get(pnn);
    if (known !== undefined) return known;
    const { nodes } = this.#session.parts.host.node;
    const found = nodes.find((node) => node.pnn === pnn)?.nodeId;
    if (found !== undefined) this.#nodes.set(pnn, found);
    return found;
  }

  #pnnOf(nodeId: NodeId): Pnn | undefined {
    return this.#session.parts.host.node.nodes.find((node) => node.nodeId === nodeId)?.pnn;
  }
}

/** Is it one of those by which data threads tell each other of changes? */
function isOwn(srvid: bigint): boolean {
  return srvid >= WATCH_FIRST && srvid <= WATCH_LAST;
}

function reserved(srvid: bigint): CtdbxError {
  const text = `srvids whose first byte is 0x${WATCH_TOP.toString(16)} are the nodes' own`;
  return new CtdbxError("denied", `Cannot use srvid ${srvid}: ${text}`);
}

function bodyOf(item: ProgramItem): ItemBody {
  switch (item.type) {
    case "message": {
      const { from: { pnn, program }, srvid, data } = item;
      return { type: ITEM.message, pnn, program, srvid, count: 0, data };
    }
    case "gap": {
      const { from: { pnn, program }, srvid = 0n, count } = item;
      return { type: ITEM.gap, pnn, program, srvid, count, data: NO_BYTES };
    }
    case "life": {
      const { pnn, before } = item;
      return { type: ITEM.life, pnn, program: 0, srvid: before, count: 0, data: NO_BYTES };
    }
    case "ended":
      return { type: ITEM.ended, pnn: 0, program: 0, srvid: 0n, count: 0, data: NO_BYTES };
  }
}
