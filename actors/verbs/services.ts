/**
 * Verbs about the checks and notifications of this node.
 *
 *   service ls     all checks, without their output         service run      looks now, and answers what came of it
 *   service show   one of them, with it                     service enable | disable     outlive the daemon
 *   service notify ways of notification, and what they have lost
 *
 * Does NOT promise: anything about other nodes; each has checks of its own.
 */
import type { Verb } from "../control.ts";
import type { NodeParts } from "../node_parts.ts";
import { text } from "./args.ts";

/** Looks of this file; anybody may ask them. */
export function serviceLooks(node: NodeParts): [string, Verb][] {
  return [
    ["service ls", () => node.services.rows.map((row) => ({ ...row, tail: undefined }))],
    ["service show", (args) => node.services.checks.row(text(args, "name"))],
    ["service notify", () => node.services.ways],
  ];
}

/** Changes of this file. */
export function serviceChanges(node: NodeParts): [string, Verb][] {
  return [
    ["service run", (args) => node.services.checks.run(text(args, "name"))],
    ["service enable", (args) => node.services.checks.enable(text(args, "name"), true)],
    ["service disable", (args) => {
      const why = args["why"] === undefined ? undefined : text(args, "why");
      return node.services.checks.enable(text(args, "name"), false, why);
    }],
  ];
}
