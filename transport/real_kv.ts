/**
 * The leader lock in a JetStream KV bucket: compare-and-set by the sequence of the last write.
 *
 *   bucket ctdbx_CLUSTER, key leader; three copies where three servers can keep them, else one
 *   look     STREAM.INFO, then STREAM.MSG.GET: the stream's leader answers (a plain get may come from any copy, stale)
 *   write    publish with the stream's expected last sequence: refused when it is another; unknown without an answer
 *   watch    whatever is published to the key is a reason to look
 *
 * The key's expected sequence will not do: with three copies, 2.9 compares it before the write is agreed upon, and of
 * five writes at one revision all five succeed. The stream's is compared when the write is applied. So a revision is
 * the stream's last sequence, also when somebody has written another key.
 *
 * JetStream's acknowledgements are not on a disk: the bucket may go back, or be gone and made anew. Nothing but time
 * is lost then.
 *
 * Does NOT promise: anything while servers elect a leader of the stream (4 to 7 s): all is "unknown" then.
 */
import {
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  StorageType,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { LeaderLock, LockRecord, LockSeen, LockUnknown } from "./leader_lock.ts";
import { LOCK_LIMIT_MS, type LockWrite, type LockWritten } from "./leader_lock.ts";
import { decodeLockRecord, encodeLockRecord, LOCK_RECORD_MAX } from "./lock_record.ts";
import { LockTurns, unknown } from "./lock_turns.ts";
import { lockBucket, lockKey } from "./nats_roles.ts";
import type { NatsConnection, RealBus } from "./real_bus.ts";
import type { Clock } from "./world.ts";

const COPIES = 3;
/** Bytes of the whole bucket; a record has about 150. */
const BUCKET_MAX = 64 * 1024;
/** Looks after a hint until something new is seen, and the pause between them, ms. */
const HINT_LOOKS = 5;
const HINT_PAUSE_MS = 50;
/** JetStream's own words for "that sequence is not the last". */
const WRONG_SEQUENCE: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
];

/** What one connection is good for. */
interface Session {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

/** The lock of one cluster. */
export class KvLock implements LeaderLock {
  readonly backend = "jetstream";
  readonly #bus: RealBus;
  readonly #bucket: string;
  readonly #subject: string;
  readonly #clock: Clock;
  readonly #turns: LockTurns;
  #session: Session | undefined;
  #isLooking = false;
  #looksLeft = 0;
  #toldRevision: number | undefined;
  #endHints: (() => void) | undefined;

  /** `cluster`: letters, digits, `_` and `-`. The bus may be disconnected, now or later. */
  constructor(options: { bus: RealBus; cluster: string; clock: Clock; limitMs?: number }) {
    const { bus, cluster, clock, limitMs = LOCK_LIMIT_MS } = options;
    this.#bus = bus;
    this.#bucket = lockBucket(cluster);
    this.#subject = lockKey(cluster);
    this.#clock = clock;
    this.#turns = new LockTurns(clock, limitMs);
  }

  get trouble(): string | undefined {
    return this.#turns.trouble;
  }

  look(done: (result: LockSeen | LockUnknown) => void): void {
    this.#turns.run<LockSeen>(() => this.#look(), done);
  }

  write(
    _op: LockWrite,
    revision: number,
    record: LockRecord,
    done: (result: LockWritten) => void,
  ): void {
    this.#turns.run<LockWritten>(() => this.#write(revision, record), done);
  }

  watch(onSeen: (seen: LockSeen) => void): () => void {
    const end = this.#turns.watch(onSeen);
    this.#endHints ??= this.#bus.subscribe(this.#subject, () => this.#hint());
    return () => {
      end();
      if (this.#turns.isWatched) return;
      this.#endHints?.();
      this.#endHints = undefined;
    };
  }

  close(): Promise<void> {
    this.#endHints?.();
    this.#endHints = undefined;
    this.#turns.close();
    return Promise.resolve();
  }

  /** The server may tell us before it has applied the write, so a look that shows nothing new is repeated. */
  #hint(): void {
    this.#looksLeft = HINT_LOOKS;
    if (!this.#isLooking) this.#lookForChange();
  }

  #lookForChange(): void {
    if (this.#looksLeft === 0 || this.#turns.isClosed || !this.#turns.isWatched) return;
    this.#looksLeft -= 1;
    this.#isLooking = true;
    this.look((result) => {
      this.#isLooking = false;
      if (result.kind === "seen" && result.revision !== this.#toldRevision) {
        this.#toldRevision = result.revision;
        this.#turns.tell(result);
        return;
      }
      this.#clock.after(HINT_PAUSE_MS, () => {
        if (!this.#isLooking) this.#lookForChange();
      });
    });
  }

  async #look(): Promise<LockSeen | LockUnknown> {
    const connection = this.#bus.client;
    if (connection === undefined) return unknown(`no NATS: ${this.#bus.trouble}`);
    try {
      const { manager } = await this.#open(connection);
      const stream = `KV_${this.#bucket}`;
      // In this order: a write between the two makes the revision too low for its record, and is then found out.
      const { state } = await manager.streams.info(stream);
      const message = await manager.streams.getMessage(stream, { last_by_subj: this.#subject });
      if (message === null) return { kind: "seen", revision: state.last_seq, record: undefined };
      const revision = Math.max(state.last_seq, message.seq);
      return { kind: "seen", revision, record: decodeLockRecord(message.data) };
    } catch (error) {
      return this.#failed(error);
    }
  }

  async #write(revision: number, record: LockRecord): Promise<LockWritten> {
    const connection = this.#bus.client;
    if (connection === undefined) return unknown(`no NATS: ${this.#bus.trouble}`);
    try {
      const { client } = await this.#open(connection);
      const ack = await client.publish(this.#subject, encodeLockRecord(record), {
        expect: { lastSequence: revision },
      });
      return { kind: "ok", revision: ack.seq };
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_SEQUENCE.includes(error.code)) {
        return { kind: "refused", why: error.message };
      }
      return this.#failed(error);
    }
  }

  /** The bucket may be gone: the next operation looks for it again. */
  #failed(error: unknown): LockUnknown {
    this.#session = undefined;
    if (!(error instanceof Error)) return unknown(String(error));
    // The package does not export that class.
    const isOff = error.name === "JetStreamNotEnabled";
    return unknown(isOff ? "the server has no JetStream" : error.message);
  }

  async #open(connection: NatsConnection): Promise<Session> {
    if (this.#session?.connection === connection) return this.#session;
    const options = { timeout: LOCK_LIMIT_MS };
    const client = jetstream(connection, options);
    const manager = await jetstreamManager(connection, { ...options, checkAPI: false });
    await this.#ensureBucket(client, manager);
    this.#session = { connection, client, manager };
    return this.#session;
  }

  /** Makes the bucket where there is none; gives it more copies where servers have come. */
  async #ensureBucket(client: JetStreamClient, manager: JetStreamManager): Promise<void> {
    const options = {
      history: 1,
      storage: StorageType.File,
      max_bytes: BUCKET_MAX,
      maxValueSize: LOCK_RECORD_MAX,
      allow_direct: false,
    };
    const kvm = new Kvm(client);
    try {
      await kvm.create(this.#bucket, { ...options, replicas: COPIES });
    } catch (error) {
      // One server, or fewer than three that may keep it. Another error will come again.
      if (!(error instanceof JetStreamApiError)) throw error;
      await kvm.create(this.#bucket, { ...options, replicas: 1 });
    }
    const { config } = await manager.streams.info(`KV_${this.#bucket}`);
    if (config.num_replicas >= COPIES) return;
    await manager.streams.update(config.name, { num_replicas: COPIES }).catch(() => {});
  }
}
