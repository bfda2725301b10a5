/**
 * Looks at the first messages of each kind that a swarm sends: later ones are like them, and there are very many.
 *
 * Does NOT promise: that there was one of each kind; `has` says which were never sent.
 */

/** So many of a kind are looked at. */
const COUNT = 100;

/** Has `look` see the first messages of each kind; it throws when one is wrong. */
export class FirstOfEach<Message extends { readonly kind: string }> {
  readonly #counts = new Map<string, number>();
  readonly #look: (message: Message) => void;

  constructor(look: (message: Message) => void) {
    this.#look = look;
  }

  /** Takes a message as a simulator tells of it; true, for it is to go on its way. */
  at(message: Message): true {
    const count = this.#counts.get(message.kind) ?? 0;
    this.#counts.set(message.kind, count + 1);
    if (count < COUNT) this.#look(message);
    return true;
  }

  /** Fails, by name, when one of these kinds was not seen. */
  has(kinds: readonly string[]): void {
    const missing = kinds.filter((kind) => !this.#counts.has(kind));
    if (missing.length > 0) throw new Error(`Never sent: ${missing.join(", ")}`);
  }
}
