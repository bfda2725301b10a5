/**
 * What the client of test/netns has told, kept for whoever waits for it.
 *
 * Does NOT promise: to know what the client has not told yet.
 */

/** A line of the client. */
export interface ClientEvent {
  readonly what: "served" | "held" | "ended";
  readonly address: string;
  readonly node: string;
  readonly gapMs?: number;
  readonly silentMs?: number;
  readonly why?: string;
}

/** All lines, in order. */
export class ClientView {
  readonly events: ClientEvent[] = [];
  #rest = "";

  /** More output of the client. */
  take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    this.events.push(...lines.map((line) => JSON.parse(line) as ClientEvent));
  }

  /** The first event from `from` on of an address that is such. */
  find(
    from: number,
    address: string,
    isIt: (event: ClientEvent) => boolean,
  ): ClientEvent | undefined {
    return this.events.slice(from).find((event) => event.address === address && isIt(event));
  }

  /** The node with which the client has a connection at an address; undefined: it has none. */
  holderOf(address: string): string | undefined {
    const last = this.events.filter((event) => event.address === address && event.what !== "served")
      .at(-1);
    return last?.what === "held" ? last.node : undefined;
  }
}
