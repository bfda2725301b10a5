/**
 * A rig whose messages, reports and faults are written down.
 *
 * Does NOT promise: to forget anything by itself; clear() does.
 */
import type { MetadataEffect, MetadataReport } from "../../../../actors/machines/metadata/event.ts";
import type { MetadataMessage } from "../../../../actors/machines/metadata/message.ts";
import { nodeScope, type Scope } from "../../../../actors/machines/metadata/record.ts";
import {
  defaultMetadataTiming,
  type MetadataTiming,
} from "../../../../actors/machines/metadata/tunables.ts";
import { Rig, type RigNode } from "../../../../actors/machines/sim/metadata/rig.ts";

/** A message as it left. */
export interface Sent {
  readonly from: number;
  readonly to: readonly number[];
  readonly message: MetadataMessage;
}

/** A cluster that is looked at. */
export class Watched extends Rig {
  sent: Sent[] = [];
  reports: MetadataReport[] = [];
  broken: string[] = [];
  /** Keys whose record changed, by node. */
  changed: string[] = [];

  constructor(count: number, timing: Partial<MetadataTiming> = {}) {
    super(1, count, {
      onSent: (node, message, to) => this.#onSent(node, message, to),
      onEffect: (node, effect) => this.#onEffect(node, effect),
    }, { ...defaultMetadataTiming(), ...timing });
  }

  #onSent(node: RigNode, message: MetadataMessage, to: readonly RigNode[]): void {
    this.sent.push({ from: node.index, to: to.map(({ index }) => index), message });
  }

  #onEffect(node: RigNode, effect: MetadataEffect): void {
    if (effect.type === "report") this.reports.push(effect.report);
    if (effect.type === "fault") this.broken.push(effect.text);
    if (effect.type === "changed") {
      const { key, value } = effect.record;
      this.changed.push(`${node.index} ${effect.scope} ${key}=${value}`);
    }
  }

  /** Forgets what was written down. */
  clear(): void {
    this.sent = [];
    this.reports = [];
    this.changed = [];
  }

  /** Messages of a kind about a scope. */
  of<Kind extends MetadataMessage["kind"]>(
    kind: Kind,
    scope?: Scope,
  ): (Sent & { readonly message: Extract<MetadataMessage, { readonly kind: Kind }> })[] {
    const isOfKind = (sent: Sent): sent is Sent & {
      readonly message: Extract<MetadataMessage, { readonly kind: Kind }>;
    } => sent.message.kind === kind;
    return this.sent.filter(isOfKind).filter(({ message }) =>
      scope === undefined || scopeOf(message) === scope
    );
  }

  /** The scope of a node. */
  scopeOf(index: number): Scope {
    return nodeScope(this.node(index).nodeId);
  }

  /** How a scope stands on a node: its phase. */
  phase(index: number, scope: Scope): string | undefined {
    return this.node(index).machine?.status().find((one) => one.scope === scope)?.phase;
  }

  /** The values of a scope on a node, as KEY=VALUE. */
  values(index: number, scope: Scope): string {
    const list = this.machine(index).list(scope);
    return list === undefined ? "-" : list.map(({ key, value }) => `${key}=${value}`).join(" ");
  }
}

function scopeOf(message: MetadataMessage): Scope | undefined {
  if (message.kind === "md_publish") return message.records[0]?.scope;
  return "scope" in message ? message.scope : undefined;
}
