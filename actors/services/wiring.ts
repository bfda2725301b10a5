/**
 * The services of a node put together: its health, its checks, its notifications.
 *
 *   [[check]] ──▶ Services ──▶ NodeHealth ──▶ cluster machine          [[notify]] ──▶ Notifier ◀── events of this node
 *
 * Does NOT promise: checks without ServicePorts; a node in a simulated world has none.
 */
import type { AnyEvent, Topic } from "../../transport/wire/messages/event.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type {
  ServiceFields,
  ServicesFields,
} from "../../transport/wire/messages/event_services.ts";
import type { World } from "../../transport/world.ts";
import type { ServicesConfig } from "./config.ts";
import { NodeHealth } from "./health.ts";
import { Notifier } from "./notifier.ts";
import type { ServicePorts } from "./ports.ts";
import { type NotifyRow, type ServiceRow, servicesOf } from "./rows.ts";
import { Services } from "./services.ts";

/** What they need of the node. */
export interface ServedNode {
  readonly world: World;
  readonly config: ServicesConfig;
  readonly cluster: {
    tell(
      event: {
        readonly kind: "health";
        readonly health: { readonly healthy: boolean; readonly why?: string };
      },
    ): void;
  };
  readonly post: { event(topic: string, payload: Uint8Array, isCbor: boolean): void };
  readonly monitoring: {
    readonly events: {
      tell(topic: "service", fields: ServiceFields): void;
      watch(topics: readonly Topic[], onEvent: (event: AnyEvent) => void): () => void;
    };
  };
}

/** The services of one node. */
export class NodeServices {
  /** What all parts of the node say of how it is. */
  readonly health: NodeHealth;
  readonly #checks: Services | undefined;
  readonly #notifier: Notifier | undefined;

  constructor(
    { world, config, cluster, monitoring, post }: ServedNode,
    { services: ports, stateFolder }: {
      readonly services?: ServicePorts;
      readonly stateFolder: string;
    },
  ) {
    this.health = new NodeHealth((health) => cluster.tell({ kind: "health", health }));
    if (ports === undefined) return;
    const { health } = this;
    const { checks, notify } = config;
    if (checks !== undefined) {
      const { prober, groups } = ports;
      const tell = (fields: ServiceFields): void => monitoring.events.tell("service", fields);
      this.#checks = new Services({ world, checks, prober, groups, health, stateFolder, tell });
    }
    if (notify === undefined) return;
    this.#notifier = new Notifier({
      world,
      ways: notify,
      courier: ports.courier,
      health,
      publish: (topic, payload) => post.event(topic, payload, false),
      watch: (topics, onEvent) => monitoring.events.watch(topics, onEvent),
    });
  }

  /** Begins to look and to tell. Answers how to end it. */
  start(): () => void {
    // Who is told hears of the first looks, too.
    this.#notifier?.start();
    this.#checks?.start();
    return () => {
      this.#checks?.stop();
      this.#notifier?.stop();
    };
  }

  /** All checks, as they were configured. */
  get rows(): readonly ServiceRow[] {
    return this.#checks?.rows ?? [];
  }

  /** All ways of notification, as they were configured. */
  get ways(): readonly NotifyRow[] {
    return this.#notifier?.rows ?? [];
  }

  /** The event of each second; undefined: there is nothing to tell. */
  get fields(): ServicesFields | undefined {
    return servicesOf(this.rows, this.ways);
  }

  /** Its checks. Throws CtdbxError "not_found" when it has none. */
  get checks(): Services {
    if (this.#checks !== undefined) return this.#checks;
    throw new CtdbxError(
      "not_found",
      "Cannot find a check: the node's configuration has no [[check]]",
    );
  }
}
