/**
 * What happened to addresses, in words for people.
 *
 * Does NOT promise: names of nodes; what happens here is told with numbers.
 */
import type { AddressHappening } from "../machines/addresses/takeover/events.ts";

/** Is it worth a warning? */
export function isTrouble(happening: AddressHappening): boolean {
  const { what } = happening;
  return what === "broken" || what === "lost" || what === "foreign" || what === "ended" ||
    (what === "run over" && happening.end === "failed");
}

/** What happened, as a sentence. */
export function addressText(happening: AddressHappening): string {
  switch (happening.what) {
    case "taken":
      return `Address ${happening.address} is set here`;
    case "released":
      return `Address ${happening.address} is removed here`;
    case "lost":
      return `Address ${happening.address} was set here and is gone; it is set again`;
    case "foreign":
      return `Address ${happening.address} is set here and should not be; it is removed`;
    case "broken":
      return `Address ${happening.address} cannot be set here: ${happening.why}`;
    case "ended":
      return `All addresses are let go: ${happening.why}`;
    case "run": {
      const { run, moves, unhosted } = happening;
      const nobody = unhosted === 0 ? "" : `; nobody can host ${unhosted}`;
      return `Takeover run ${run}: ${moves} addresses move${nobody}`;
    }
    case "run over": {
      const { run, end, why } = happening;
      return `Takeover run ${run} is ${end}${why === "" ? "" : `: ${why}`}`;
    }
  }
}
