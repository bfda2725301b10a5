/**
 * Shards in threads: Comlink carries their supervision, plain data only, and never a record on its way.
 *
 *   main thread: ShardThread ── comlink ──▶ worker thread: expose(shard)
 *
 * Answers go as thread_answer.ts has them.
 *
 * Does NOT promise: an answer of a thread that has died; the caller's supervision ends the wait.
 */
import * as comlink from "comlink";
import type { MetaRecord } from "../transport/wire/messages/metadata.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Shard, ShardStart, ShardStatus, ShardView } from "./shard.ts";
import { type Answer, answered, taken } from "./thread_answer.ts";

/** What is exposed of a shard. */
export interface ShardService {
  start(start: ShardStart): Promise<Answer<true>>;
  view(view: ShardView): Answer<true>;
  write(scope: string, key: string, value: string | null, by: string): Promise<Answer<bigint>>;
  read(scope: string, prefix: string): Promise<Answer<readonly MetaRecord[]>>;
  /** Posts something to the port after each change of a record of the scope whose key begins with `prefix`. */
  watch(scope: string, prefix: string, port: MessagePort): Answer<true>;
  status(): Answer<ShardStatus>;
  /** Dies a moment later: for trying what follows. */
  crash(): void;
  stop(): Promise<Answer<true>>;
}

/** Exposes a shard to the thread that has started this one. `make` is called once, with what it begins with. */
export function exposeShard(
  endpoint: comlink.Endpoint,
  make: (start: ShardStart) => Promise<Shard>,
): void {
  let shard: Shard | undefined;
  const use = (): Shard => {
    if (shard !== undefined) return shard;
    throw new CtdbxError("state", "Cannot use the shard: it has not started");
  };
  const service = {
    start: (start: ShardStart) =>
      answered(async () => {
        shard = await make(start);
        return true as const;
      }),
    view: (view: ShardView) => answered(() => (use().view(view), true as const)),
    write: (scope: string, key: string, value: string | null, by: string) =>
      answered(() => use().write(scope, key, value, by)),
    read: (scope: string, prefix: string) => answered(() => use().read(scope, prefix)),
    watch: (scope: string, prefix: string, port: MessagePort) =>
      answered(() => (use().watch(scope, prefix, () => port.postMessage(true)), true as const)),
    status: () => answered(() => use().status()),
    crash: () => {
      // Out of Comlink's hands, which would make an answer of it.
      queueMicrotask(() => {
        throw new Error("the thread was asked to die");
      });
    },
    stop: () =>
      answered(async () => {
        await shard?.stop();
        return true as const;
      }),
  };
  comlink.expose(service, endpoint);
}

/** A shard in another thread. */
export class ShardThread {
  readonly #remote: comlink.Remote<ShardService>;

  constructor(endpoint: comlink.Endpoint) {
    this.#remote = comlink.wrap<ShardService>(endpoint);
  }

  async start(start: ShardStart): Promise<void> {
    taken(await this.#remote.start(start));
  }

  async view(view: ShardView): Promise<void> {
    taken(await this.#remote.view(view));
  }

  async write(scope: string, key: string, value: string | null, by: string): Promise<bigint> {
    return taken(await this.#remote.write(scope, key, value, by));
  }

  async read(scope: string, prefix: string): Promise<readonly MetaRecord[]> {
    return taken(await this.#remote.read(scope, prefix));
  }

  /** Calls `onChange` after changes of records of a scope whose keys begin with `prefix`. Answers how to end it. */
  async watch(scope: string, prefix: string, onChange: () => void): Promise<() => void> {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => onChange();
    const end = (): void => port1.close();
    try {
      taken(await this.#remote.watch(scope, prefix, comlink.transfer(port2, [port2])));
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  async status(): Promise<ShardStatus> {
    return taken(await this.#remote.status());
  }

  /** Lets the thread die, to try what follows. */
  crash(): void {
    this.#remote.crash().catch(() => {});
  }

  async stop(): Promise<void> {
    taken(await this.#remote.stop());
  }
}
