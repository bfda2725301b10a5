/**
 * Configurations of CTDB for tests, as texts.
 *
 * Does NOT promise: that ctdb would run with them.
 */

import type { CtdbFile, CtdbFiles, OptionRow, Plan } from "../../../cli/ctdb_config/plan.ts";
import { translate } from "../../../cli/ctdb_config/translate.ts";

/** What a test says of a folder. */
export interface Texts {
  readonly conf?: string;
  readonly nodes?: string;
  readonly publicAddresses?: string;
  readonly homeNodes?: string;
  readonly tunables?: string;
  readonly scriptOptions?: string;
  readonly scripts?: CtdbFiles["scripts"];
  readonly notifications?: CtdbFiles["notifications"];
  readonly notify?: string;
}

/** The plan for a folder /etc/ctdb. `pnn`: of the node whose files they are. */
export function planned(texts: Texts, pnn?: number, own: readonly string[] = []): Plan {
  const file = (name: string, text: string | undefined): CtdbFile | undefined =>
    text === undefined ? undefined : { path: `/etc/ctdb/${name}`, text };
  const files: CtdbFiles = {
    folder: "/etc/ctdb",
    conf: file("ctdb.conf", texts.conf),
    nodes: file("nodes", texts.nodes),
    publicAddresses: file("public_addresses", texts.publicAddresses),
    homeNodes: file("home_nodes", texts.homeNodes),
    tunables: file("ctdb.tunables", texts.tunables),
    scriptOptions: file("script.options", texts.scriptOptions),
    scripts: texts.scripts ?? [],
    notifications: texts.notifications ?? [],
    notify: texts.notify,
  };
  return translate(files, { cluster: "lab", pnn, own, sectionsFile: "sections.toml" });
}

/** What was made of each option: "option: outcome". */
export function outcomes({ options }: Plan): string[] {
  return options.map(({ option, outcome }) => `${option}: ${outcome}`);
}

/** The row of an option. Throws when there is none. */
export function rowOf({ options }: Plan, option: string): OptionRow {
  const found = options.find((each) => each.option === option);
  if (found !== undefined) return found;
  throw new RangeError(`no ${option} in ${options.map((each) => each.option)}`);
}

/** The commands, without what they are for. */
export function commandsOf({ commands }: Plan): string[] {
  return commands.map(({ at, command }) => at === undefined ? command : `${at}: ${command}`);
}
