/**
 * Shards in threads: Comlink carries their supervision, plain data only, and never a record on its way.
 *
 *   main thread: ShardThread ── comlink ──▶ worker thread: expose(shard)
 *
 * Errors lose their class and code on the way, so an answer is {ok} or {code, text}, and becomes an error again here.
 *
 * Does NOT promise: an answer of a thread that has died; the caller's supervision ends the wait.
 */
import * as comlink from "comlink";
import type { MetaRecord } from "../transport/wire/messages/metadata.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { ErrorCode } from "../transport/wire/errors.ts";
import type { Shard, ShardStart, ShardStatus, ShardView } from "./shard.ts";

/** An answer that survives the way between threads. */
type Answer<T> = { readonly ok: T } | { readonly code: ErrorCode; readonly text: string };

/** What is exposed of a shard. */
export interface ShardService {
  start(start: ShardStart): Promise<Answer<true>>;
  view(view: ShardView): Answer<true>;
  write(scope: string, key: string, value: string | null, by: string): Promise<Answer<bigint>>;
  read(scope: string, prefix: string): Promise<Answer<readonly MetaRecord[]>>;
  status(): Answer<ShardStatus>;
  /** Dies a moment later: for trying what follows. */
  crash(): void;
  stop(): Promise<Answer<true>>;
}

async function answered<T>(work: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: await work() };
  } catch (error) {
    const code = error instanceof CtdbxError ? error.code : "io";
    return { code, text: error instanceof Error ? error.message : String(error) };
  }
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
    take(await this.#remote.start(start));
  }

  async view(view: ShardView): Promise<void> {
    take(await this.#remote.view(view));
  }

  async write(scope: string, key: string, value: string | null, by: string): Promise<bigint> {
    return take(await this.#remote.write(scope, key, value, by));
  }

  async read(scope: string, prefix: string): Promise<readonly MetaRecord[]> {
    return take(await this.#remote.read(scope, prefix));
  }

  async status(): Promise<ShardStatus> {
    return take(await this.#remote.status());
  }

  /** Lets the thread die, to try what follows. */
  crash(): void {
    this.#remote.crash().catch(() => {});
  }

  async stop(): Promise<void> {
    take(await this.#remote.stop());
  }
}

function take<T>(answer: Answer<T>): T {
  if ("ok" in answer) return answer.ok;
  throw new CtdbxError(answer.code, answer.text);
}
