/**
 * The verb `watch`: what is told on chosen topics here and, as far as the bus brings it, at the other nodes.
 *
 *   { topics: ["cluster", "state"], own: false } ─▶ { ...event, who } each ─▶ until called off
 *
 * Who an event comes from is read off its subject, which the server can vouch for: `tag`, and `who`, its name in the
 * document. `node` of another's event is only what it calls itself.
 *
 * Does NOT promise: every event of another node; a form of what another node sends. Whoever reads it must check.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type Topic, TOPICS } from "../../transport/wire/messages/event.ts";
import { type Tag, tagOf } from "../../transport/wire/terms.ts";
import type { Args, Call } from "../control.ts";
import type { NodeParts } from "../node_parts.ts";

/** How long a watcher waits until the events of others are sure to come, ms. */
const FLUSH_MS = 1000;
/** What is watched when no topic is named. */
const BY_DEFAULT: readonly Topic[] = ["cluster"];

/** Watches until the caller has had enough. Throws CtdbxError "state" on a topic that there is not. */
export function watch(node: NodeParts, args: Args, call: Call): Promise<void> {
  const topics = topicsOf(args["topics"]);
  const { name } = node.config;
  return new Promise((resolve) => {
    const ends = [
      node.monitoring.events.watch(topics, (event) => call.item({ ...event, who: name })),
    ];
    if (args["own"] !== true) {
      for (const topic of topics) {
        ends.push(node.post.watchEvents(topic, (event, tag) => {
          if (typeof event !== "object" || event === null || Array.isArray(event)) return;
          call.item({ ...event, topic, tag, who: nameOfTag(node, tag) });
        }));
      }
    }
    call.onCancel(() => {
      for (const end of ends) end();
      resolve();
    });
    // Said when the events of others come, too; without a bus, that those of this node do.
    const first = { node: name, who: name, wallMs: node.world.clock.wallMs(), what: "watching" };
    const begin = (text: string): void => void call.item({ ...first, text });
    node.world.bus.flush(FLUSH_MS).then(
      () => begin(`watching: what ${name} does, and what it hears of others`),
      () => begin(`watching: what ${name} does; NATS does not answer`),
    );
  });
}

function topicsOf(value: unknown): readonly Topic[] {
  if (value === undefined) return BY_DEFAULT;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const known = TOPICS.filter((topic) => list.includes(topic));
  if (known.length === list.length && known.length > 0) return known;
  throw new CtdbxError("state", `Cannot watch: topics are ${TOPICS.join(", ")}`);
}

function nameOfTag(node: NodeParts, tag: Tag): string {
  const doc = node.state.adopted ?? node.state.accepted;
  return doc?.nodes.find(({ nodeId }) => tagOf(nodeId) === tag)?.name ?? tag;
}
