/**
 * Tells monitors what happens to the addresses of a node.
 *
 *   happening ──▶ { what, text, address?, run? }      the leader's plan is another: unhosted | all hosted, on a change
 *
 * Does NOT promise: an event for each of thousands that move at once; what was not told is counted.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import { fitText } from "../../transport/wire/limits.ts";
import {
  type AddressFields,
  EVENT_ADDRESSES_MAX,
} from "../../transport/wire/messages/event_addresses.ts";
import type { Clock } from "../../transport/world.ts";
import type { AddressHappening } from "../machines/addresses/takeover/events.ts";
import { addressText } from "./happening_text.ts";
import type { Standing } from "./waits.ts";

/** Events of addresses that a node tells in one second. */
export const ADDRESS_EVENTS_MAX = 64;
const SECOND_MS = 1000;

/** What it needs. */
export interface TellingParts {
  readonly clock: Clock;
  readonly tell: (fields: AddressFields) => void;
  /** An event was not told, since there were too many. */
  readonly onUntold: () => void;
  /** How all addresses of the cluster stand; undefined: this node does not lead. */
  readonly standing: () => Standing | undefined;
  /** Why nobody hosts an address, a phrase. */
  readonly why: (address: IpAddress) => string | undefined;
}

/** What one node tells. */
export class AddressTelling {
  readonly #parts: TellingParts;
  #second = -1;
  #count = 0;
  /** Those that nobody can host, as they were told last. */
  #unhosted = "";

  constructor(parts: TellingParts) {
    this.#parts = parts;
  }

  /** Something happened; `tookMs`: of a run that has ended. */
  happened(happening: AddressHappening, tookMs: number | undefined): void {
    this.#tell(fieldsOf(happening, tookMs));
    if (happening.what === "run" || happening.what === "run over") this.#tellUnhosted();
  }

  #tellUnhosted(): void {
    const standing = this.#parts.standing();
    const unhosted = standing?.unhosted ?? [];
    const key = unhosted.join();
    if (key === this.#unhosted) return;
    this.#unhosted = key;
    // Who leads no more knows nothing; the next leader says what is so.
    if (standing === undefined) return;
    const [first] = unhosted;
    if (first === undefined) {
      return this.#tell({ what: "all hosted", text: "Every address can be hosted again" });
    }
    const why = this.#parts.why(first) ?? "nobody says why";
    const text = `Nobody can host ${unhosted.length} of ${standing.known} addresses: ${why}`;
    this.#tell({
      what: "unhosted",
      text: fitText(text),
      unhosted: unhosted.length,
      addresses: unhosted.slice(0, EVENT_ADDRESSES_MAX),
    });
  }

  #tell(fields: AddressFields): void {
    const second = Math.floor(this.#parts.clock.nowMs() / SECOND_MS);
    if (second !== this.#second) this.#count = 0;
    this.#second = second;
    this.#count += 1;
    // Those about more than one address are few, and have some room of their own.
    const max = fields.address === undefined ? 2 * ADDRESS_EVENTS_MAX : ADDRESS_EVENTS_MAX;
    if (this.#count > max) return this.#parts.onUntold();
    this.#parts.tell(fields);
  }
}

function fieldsOf(happening: AddressHappening, tookMs: number | undefined): AddressFields {
  const text = fitText(addressText(happening));
  switch (happening.what) {
    case "ended":
      return { what: "ended", text };
    case "run": {
      const { run, moves, unhosted } = happening;
      return { what: "run", text, run, moves, unhosted };
    }
    case "run over": {
      const { run, end } = happening;
      return { what: `run ${end}`, text, run, ...tookMs === undefined ? {} : { tookMs } };
    }
    default:
      return { what: happening.what, text, address: happening.address };
  }
}
