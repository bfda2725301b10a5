/**
 * A program of somebody else's that listens at NATS: the official client as it is, a monitor's key, nothing of ours.
 *
 * Does NOT promise: a connection that comes back; tests that cut it start another.
 */

import { readFileSync } from "node:fs";
import { connect, type NatsConnection, nkeyAuthenticator } from "nats";

/** An event as a stranger sees it. */
export interface Foreign {
  /** The last token of its subject. */
  readonly tag: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** When it came, ms of this process's clock. */
  readonly atMs: number;
}

/** A listener at NATS. */
export class ForeignClient {
  readonly heard: Foreign[] = [];
  readonly cbor: Foreign[] = [];
  readonly #client: NatsConnection;

  private constructor(client: NatsConnection) {
    this.#client = client;
  }

  /** Connects with a key file and listens to all events of a cluster, in both forms. */
  static async of(port: number, cluster: string, keyPath: string): Promise<ForeignClient> {
    const seed = /^SU\w+$/m.exec(readFileSync(keyPath, "utf8"))?.[0] ?? "";
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
    const client = await connect({ servers: `127.0.0.1:${port}`, authenticator });
    const made = new ForeignClient(client);
    made.#listen(`ctdbx.${cluster}.ev.*.from.*`, 3, made.heard);
    made.#listen(`ctdbx.${cluster}.ev.cbor.*.from.*`, 4, made.cbor);
    await client.flush();
    return made;
  }

  #listen(subject: string, topicAt: number, into: Foreign[]): void {
    this.#client.subscribe(subject, {
      callback: (error, { subject, data }) => {
        if (error !== null) throw error;
        const tokens = subject.split(".");
        const topic = tokens[topicAt] ?? "";
        into.push({ tag: tokens.at(-1) ?? "", topic, payload: data, atMs: performance.now() });
      },
    });
  }

  /** What was heard on a topic, decoded. */
  of(topic: string): Record<string, unknown>[] {
    return this.heard.filter((each) => each.topic === topic)
      .map(({ payload }) => JSON.parse(new TextDecoder().decode(payload)));
  }

  /** The last heartbeat of each node, by name. */
  table(): Map<string, Record<string, unknown>> {
    return new Map(this.of("heartbeat").map((event) => [String(event["node"]), event]));
  }

  /** Changes of a node, as "from>to", in their order, each once. */
  changesOf(about: string): string[] {
    const texts = this.of("state").filter((event) => event["about"] === about)
      .map(({ from, to }) => `${from}>${to}`);
    return [...new Set(texts)];
  }

  /** Forgets what came. */
  clear(): void {
    this.heard.length = 0;
    this.cbor.length = 0;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}
