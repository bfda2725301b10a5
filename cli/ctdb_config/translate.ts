/**
 * From the files of CTDB to a plan: what is to be run, what goes into the configuration of each node, and what became
 * of each option.
 *
 *   nodes ──▶ cluster create, invite, join      public_addresses, scripts, notify.sh ──▶ sections
 *   ctdb.conf ──▶ conf.ts                       ctdb.tunables ──▶ tunable set
 *
 * Everything is read before anything is planned: a file that is malformed ends it all.
 *
 * Does NOT promise: databases; `ctdbx db import` takes records.
 */

import { readHomeNodes } from "../../actors/addresses/home_nodes.ts";
import { readPublicAddresses } from "../../actors/addresses/public_addresses.ts";
import { rangeText, tunableOf, valueFault } from "../../actors/tunables/catalogue.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { INVITATION_ENDING } from "../membership/invitation.ts";
import { takeConf } from "./conf.ts";
import { readNodes, readScriptOptions, readTunables, type TunableLine } from "./lines.ts";
import {
  type CommandRow,
  type CtdbFiles,
  type CtdbScript,
  type Draft,
  type OptionRow,
  type Plan,
  type PlanWish,
  quoted,
  shellWord,
  withPort,
} from "./plan.ts";

/** Ports that nodes of ctdbx have when nobody says otherwise: their services, and the message server. */
const ADDR_PORT = 4379;
const NATS_PORT = 4222;
/** How long notify.sh may take. */
const NOTIFY_TIMEOUT = "30s";

/** Makes the plan. Throws Failure or CtdbxError "config", with file and line. */
export function translate(files: CtdbFiles, wish: PlanWish): Plan {
  const draft: Draft = {
    ...{ wish, files, options: [], setup: [], after: [] },
    ...{ nodes: [], self: undefined, lock: { kind: "jetstream" } },
    ...{ logLevel: undefined, debugScript: undefined, isFailoverOff: false },
  };
  takeNodes(draft);
  if (files.conf !== undefined) takeConf(draft, files.conf);
  takeAddresses(draft);
  takeTunables(draft);
  takeScripts(draft);
  takeNotify(draft);
  const sections = sectionsOf(draft);
  setUp(draft, sections !== "");
  return {
    sections,
    commands: [...draft.setup, ...draft.after],
    options: draft.options,
    self: draft.self,
  };
}

function note(
  draft: Draft,
  file: string,
  row: Omit<OptionRow, "file" | "line" | "value"> & Partial<Pick<OptionRow, "line" | "value">>,
): void {
  draft.options.push({ file, line: undefined, value: undefined, ...row });
}

function takeNodes(draft: Draft): void {
  const { files, wish } = draft;
  if (files.nodes === undefined) return;
  const lines = readNodes(files.nodes.text, files.nodes.path);
  draft.nodes = lines.flatMap(({ pnn, address }) =>
    address === undefined ? [] : [{ pnn, name: `n${pnn}`, address }]
  );
  const isOwn = ({ pnn, address }: Draft["nodes"][number]): boolean =>
    wish.pnn === undefined ? wish.own.includes(address) : wish.pnn === pnn;
  draft.self = draft.nodes.find(isOwn)?.name;
  if (wish.pnn !== undefined && draft.self === undefined) {
    const known = draft.nodes.map(({ pnn }) => pnn).join(", ");
    throw new CtdbxError("config", `Cannot be node ${wish.pnn}: ${files.nodes.path} has ${known}`);
  }
  let number = 0;
  for (const { pnn, address, line } of lines) {
    const option = `node ${pnn}`;
    if (address === undefined) {
      const text = "it is gone; numbers of ctdbx have no gap at the beginning";
      note(draft, "nodes", { line, option, outcome: "not taken", text });
      continue;
    }
    const name = `n${pnn}`;
    const isSame = number === pnn;
    const text = isSame
      ? `it is called ${name}, and has that number`
      : `it is called ${name}, and gets the number ${number}`;
    const outcome = isSame ? "taken" : "changed";
    note(draft, "nodes", { line, option, value: address, outcome, text });
    number += 1;
  }
}

function takeAddresses(draft: Draft): void {
  const { publicAddresses, homeNodes } = draft.files;
  if (publicAddresses !== undefined) {
    const rows = readPublicAddresses(publicAddresses.text, publicAddresses.path);
    const isUsed = hasAddresses(draft);
    for (const { address, bits, interfaces, line } of rows) {
      const value = `${address}/${bits} ${interfaces.join(",")}`;
      const text = isUsed
        ? "[addresses] file: read where it is; backend dry only writes down what it would do, iproute2 sets them"
        : "failover is disabled";
      const outcome = isUsed ? "taken" : "not taken";
      note(draft, "public_addresses", { line, option: "address", value, outcome, text });
    }
  }
  if (homeNodes === undefined) return;
  const isUsed = hasAddresses(draft);
  for (const [address, pnn] of readHomeNodes(homeNodes.text, homeNodes.path)) {
    const row = { option: "home", value: `${address} ${pnn}` };
    if (isUsed) {
      const text = "[addresses] home_nodes: read where it is, when IPAllocAlgorithm is 0";
      note(draft, "home_nodes", { ...row, outcome: "taken", text });
    } else {note(draft, "home_nodes", {
        ...row,
        outcome: "not taken",
        text: "no addresses are dealt",
      });}
  }
}

/** Does the node have public addresses? */
function hasAddresses({ files, isFailoverOff }: Draft): boolean {
  return files.publicAddresses !== undefined && !isFailoverOff;
}

function takeTunables(draft: Draft): void {
  const { tunables } = draft.files;
  if (tunables === undefined) return;
  const lines = readTunables(tunables.text, tunables.path);
  const last = new Map(lines.map((line) => [line.name, line]));
  for (const line of lines) {
    const value = String(line.value);
    const row = { line: line.line, option: line.name, value };
    if (last.get(line.name) !== line) {
      const text = `it is set again on line ${last.get(line.name)?.line}, which counts`;
      note(draft, "ctdb.tunables", { ...row, outcome: "not taken", text });
    } else note(draft, "ctdb.tunables", { ...row, ...tunableOutcome(draft, line) });
  }
}

function tunableOutcome(
  { after }: Draft,
  { name, value }: TunableLine,
): Pick<OptionRow, "outcome" | "text"> {
  const entry = tunableOf(name);
  if (entry.effect === "obsolete") {
    return { outcome: "not taken", text: `it is obsolete, in ctdb, too; ${entry.doc}` };
  }
  if (valueFault(entry, value) !== undefined) {
    return { outcome: "not taken", text: `here it must be ${rangeText(entry)}` };
  }
  if (value === entry.value) return { outcome: "taken", text: "it is the default" };
  const command = `ctdbx tunable set ${name} ${value}`;
  after.push({ at: undefined, command, text: "for the whole cluster" });
  if (entry.effect === "here") return { outcome: "taken", text: `\`${command}\`` };
  return { outcome: "changed", text: `\`${command}\`; it changes nothing here: ${entry.doc}` };
}

const isEnabled = ({ why }: CtdbScript): boolean => why === undefined;

/** Are scripts run, so that a section is needed? */
function hasScripts({ files }: Draft): boolean {
  return files.scripts.some(isEnabled);
}

function takeScripts(draft: Draft): void {
  const { files } = draft;
  for (const { file, why } of files.scripts) {
    const row = { option: `script ${file}` };
    if (why === undefined) {
      const text = "[scripts] dir: it is run where it is";
      note(draft, "events/legacy", { ...row, outcome: "taken", text });
    } else {
      const text = `it is not run by ctdb either: ${why}`;
      note(draft, "events/legacy", { ...row, outcome: "not taken", text });
    }
  }
  if (files.scriptOptions === undefined) return;
  const isRead = hasScripts(draft);
  for (const { name: option, line } of readScriptOptions(files.scriptOptions.text)) {
    const outcome = isRead ? "taken" : "not taken";
    const text = isRead ? "scripts read this file by themselves" : "no script is enabled";
    note(draft, "script.options", { line, option, outcome, text });
  }
}

function takeNotify(draft: Draft): void {
  const { notify, notifications } = draft.files;
  if (notify === undefined) {
    for (const { file } of notifications) {
      const text = "notify.sh, which would call it, is missing or cannot be run";
      note(draft, "events/notification", { option: file, outcome: "not taken", text });
    }
    return;
  }
  const text = "[[notify]]: called as ctdb does";
  note(draft, "notify.sh", { option: "notify.sh", outcome: "taken", text });
  for (const { file, why } of notifications) {
    if (!file.endsWith(".script")) continue;
    const row = why === undefined
      ? { outcome: "taken", text: "notify.sh calls it" } as const
      : { outcome: "not taken", text: `notify.sh passes it over: ${why}` } as const;
    note(draft, "events/notification", { option: file, ...row });
  }
}

/** What goes to the end of each node's configuration. */
function sectionsOf(draft: Draft): string {
  const { files: { folder, notify, publicAddresses, homeNodes }, logLevel, debugScript } = draft;
  const parts: string[][] = [];
  if (logLevel !== undefined && logLevel !== "info") {
    parts.push(["[log]", `level = ${quoted(logLevel)}`]);
  }
  if (hasAddresses(draft)) {
    const homes = homeNodes === undefined ? [] : [`home_nodes = ${quoted(homeNodes.path)}`];
    parts.push(["[addresses]", `file = ${quoted(publicAddresses?.path ?? "")}`, ...homes]);
  }
  if (hasScripts(draft)) {
    const debug = debugScript === undefined ? [] : [`debug = ${quoted(debugScript)}`];
    parts.push(["[scripts]", `dir = ${quoted(folder)}`, ...debug]);
  }
  if (notify !== undefined) {
    parts.push([
      ...["[[notify]]", 'name = "notify.sh"', 'kind = "script"', 'style = "ctdb"'],
      ...[`command = [${quoted(notify)}]`, `timeout = ${quoted(NOTIFY_TIMEOUT)}`],
    ]);
  }
  return parts.map((lines) => `${lines.join("\n")}\n`).join("\n");
}

/** The commands by which the nodes come to be. */
function setUp({ wish, nodes, lock, setup }: Draft, hasSections: boolean): void {
  const [first, ...others] = nodes;
  if (first === undefined) return;
  const add = (at: CommandRow["at"], command: string, text: string): void => {
    setup.push({ at, command, text });
  };
  // The daemon reads its configuration when it starts: what is added must be there by then.
  const later = hasSections || lock.kind === "helper" ? " --no-start" : "";
  const finish = (name: string, address: CommandRow["at"]): void => {
    if (hasSections) {
      const command = `cat ${shellWord(wish.sectionsFile)} >> /etc/ctdbx/${name}.toml`;
      add(address, command, "the sections, at the end of its configuration");
    }
    if (later !== "") add(address, `ctdbx daemon start --node-name ${name}`, "its daemon");
  };
  const named = `--node-name ${first.name}`;
  const create = `ctdbx cluster create ${shellWord(wish.cluster)} ${named} ` +
    `--addr ${withPort(first.address, ADDR_PORT)} --listen ${withPort(first.address, NATS_PORT)}`;
  const file = lock.kind === "file" ? ` --lock ${shellWord(`file:${lock.path}`)}` : "";
  add(first.address, `${create}${file}${later}`, "the first node, with a message server");
  finish(first.name, first.address);
  for (const { name, address } of others) {
    const addr = `--addr ${withPort(address, ADDR_PORT)}`;
    const out = `${name}${INVITATION_ENDING}`;
    add(first.address, `ctdbx cluster invite ${name} ${named} ${addr}`, `makes ${out}`);
    const join = `ctdbx cluster join ${out} --node-name ${name} ${addr}${later}`;
    add(address, join, "by that file, taken to its machine");
    finish(name, address);
  }
}
