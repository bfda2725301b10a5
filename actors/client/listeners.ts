/**
 * What a program gets of messages: a queue for each listener, and word to the node of what was taken.
 *
 *   items ─▶ listeners of the srvid ─▶ taken by all of them ─▶ took, many together
 *
 * Does NOT promise: that a program that does not iterate goes on getting messages; the node cuts it off.
 */
import { ITEM, readItem } from "../../transport/wire/client/bodies.ts";
import type { ItemBody } from "../../transport/wire/client/bodies.ts";
import { FRAME } from "../../transport/wire/client/frames.ts";
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { SRVID_ALL } from "../../transport/wire/messages/program.ts";
import { ITEM_SIZE } from "../machines/messages/events.ts";
import type { ClientCore } from "./core.ts";
import { checkedSrvid } from "./ops.ts";
import type { Listener, MessageItem, OpOptions } from "./types.ts";

/** So many items, or bytes, are told together as taken. */
const TOOK_COUNT = 128;
const TOOK_BYTES = 512 * 1024;
/** Items of a queue that were taken and are still there. */
const KEPT_MAX = 1024;
/** Srvids whose listeners are remembered. */
const ROUTES_MAX = 4096;

/** An item that some listeners have not taken yet. */
interface Given {
  readonly item: MessageItem;
  readonly bytes: number;
  /** Of which connection it is; -1: it was made here. */
  readonly connection: number;
  left: number;
}

/** All listeners of a program. */
export class Listeners {
  readonly #core: ClientCore;
  readonly #bySrvid = new Map<bigint, Set<Queue>>();
  /** Who gets the messages of a srvid; made anew when listeners come and go. */
  readonly #routes = new Map<bigint, readonly Queue[]>();
  /** Items of an earlier connection are not told of any more. */
  #connection = 0;
  #count = 0;
  #bytes = 0;

  constructor(core: ClientCore) {
    this.#core = core;
  }

  /** Begins to listen. Throws the node's refusal. */
  async listen(srvid: bigint, options?: OpOptions): Promise<Listener> {
    checkedSrvid("listen to", srvid);
    const queue = new Queue(srvid, this);
    const known = this.#bySrvid.get(srvid);
    this.#routes.clear();
    if (known !== undefined) {
      known.add(queue);
      return queue;
    }
    this.#bySrvid.set(srvid, new Set([queue]));
    try {
      const { unheard } = await this.#core.ask({ do: "listen", srvid: `${srvid}` }, options);
      queue.unheard = Number(unheard ?? 0);
    } catch (error) {
      this.#bySrvid.delete(srvid);
      this.#routes.clear();
      throw error;
    }
    return queue;
  }

  /** Listens again on another connection; what came in between is missing. */
  async restore(untilMs: number): Promise<void> {
    this.#connection += 1;
    this.#count = 0;
    this.#bytes = 0;
    for (const srvid of this.#bySrvid.keys()) {
      await this.#core.line.ask({ do: "listen", srvid: `${srvid}` }, untilMs);
    }
    this.#tellAll({ type: "lost", count: 0 });
  }

  /** Items of the node. */
  take(body: FrameBody): void {
    while (body.left > 0) this.#give(readItem(body));
  }

  /** All end. */
  end(error: CtdbxError): void {
    for (const queues of this.#bySrvid.values()) for (const queue of queues) queue.fail(error);
    this.#bySrvid.clear();
    this.#routes.clear();
  }

  #give(body: ItemBody): void {
    const bytes = ITEM_SIZE + body.data.length;
    const { srvid } = body;
    if (body.type === ITEM.ended) {
      this.#took(1, bytes);
      const text = "Cannot listen any more: the program did not take its messages";
      return this.end(new CtdbxError("limit", text));
    }
    const item = itemOf(body);
    const isForAll = body.type === ITEM.life || (body.type === ITEM.gap && srvid === 0n);
    const queues = isForAll ? this.#all() : this.#of(srvid);
    if (queues.length === 0) return this.#took(1, bytes);
    const given: Given = { item, bytes, connection: this.#connection, left: queues.length };
    for (const queue of queues) queue.push(given);
  }

  #of(srvid: bigint): readonly Queue[] {
    const known = this.#routes.get(srvid);
    if (known !== undefined) return known;
    // Nothing comes for other srvids, but for who listens to all.
    if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
    const made = this.#find(srvid);
    this.#routes.set(srvid, made);
    return made;
  }

  #find(srvid: bigint): Queue[] {
    const own = this.#bySrvid.get(srvid);
    const every = this.#bySrvid.get(SRVID_ALL);
    return [...own ?? [], ...srvid === SRVID_ALL ? [] : every ?? []];
  }

  #all(): Queue[] {
    return [...this.#bySrvid.values()].flatMap((queues) => [...queues]);
  }

  #tellAll(item: MessageItem): void {
    for (const queue of this.#all()) queue.push({ item, bytes: 0, connection: -1, left: Infinity });
  }

  /** A listener has taken an item of a connection. */
  taken(given: Given): void {
    given.left -= 1;
    if (given.left === 0 && given.connection === this.#connection) this.#took(1, given.bytes);
  }

  #took(count: number, bytes: number): void {
    this.#count += count;
    this.#bytes += bytes;
    if (this.#count >= TOOK_COUNT || this.#bytes >= TOOK_BYTES) this.tell();
  }

  /** Tells the node what was taken. */
  tell(): void {
    const [count, bytes] = [this.#count, this.#bytes];
    if (count === 0) return;
    this.#count = 0;
    this.#bytes = 0;
    this.#core.line.tell((writer) => writer.begin(FRAME.took, 0).u32(count).u32(bytes).end());
  }

  /** A listener ends. */
  async leave(queue: Queue): Promise<void> {
    const queues = this.#bySrvid.get(queue.srvid);
    if (queues === undefined || !queues.delete(queue)) return;
    this.#routes.clear();
    this.tell();
    if (queues.size > 0) return;
    this.#bySrvid.delete(queue.srvid);
    const { line, clock } = this.#core;
    if (!line.isUp) return;
    const ask = { do: "unlisten", srvid: `${queue.srvid}` };
    // A cut, or the node's own end of it, has done the same.
    await line.ask(ask, clock.nowMs() + this.#core.timeout(undefined)).catch(() => {});
  }
}

/** One listener. */
class Queue implements Listener {
  readonly srvid: bigint;
  unheard = 0;
  readonly #listeners: Listeners;
  #items: Given[] = [];
  #at = 0;
  #error: CtdbxError | undefined;
  #isClosed = false;
  /** Who waits for an item. */
  readonly #waiting: (() => void)[] = [];

  constructor(srvid: bigint, listeners: Listeners) {
    this.srvid = srvid;
    this.#listeners = listeners;
  }

  push(given: Given): void {
    this.#items.push(given);
    this.#tell();
  }

  fail(error: CtdbxError): void {
    this.#error ??= error;
    this.#tell();
  }

  async next(): Promise<IteratorResult<MessageItem, undefined>> {
    for (;;) {
      const first = this.#items[this.#at];
      if (first !== undefined) {
        this.#at += 1;
        // Who is always a little behind does not keep all that it has had.
        if (this.#at === this.#items.length || this.#at >= KEPT_MAX) {
          this.#items = this.#items.slice(this.#at);
          this.#at = 0;
        }
        this.#listeners.taken(first);
        return { done: false, value: first.item };
      }
      if (this.#isClosed) return { done: true, value: undefined };
      if (this.#error !== undefined) throw this.#error;
      this.#listeners.tell();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async return(): Promise<IteratorResult<MessageItem, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const given of this.#items.slice(this.#at)) this.#listeners.taken(given);
    this.#items = [];
    this.#at = 0;
    this.#tell();
    await this.#listeners.leave(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #tell(): void {
    while (this.#waiting.length > 0) this.#waiting.shift()?.();
  }
}

function itemOf({ type, pnn, program, srvid, count, data }: ItemBody): MessageItem {
  if (type === ITEM.message) {
    return { type: "message", from: { pnn, program }, srvid, data };
  }
  if (type === ITEM.gap) return { type: "lost", count, from: { pnn, program } };
  return { type: "life", pnn };
}
