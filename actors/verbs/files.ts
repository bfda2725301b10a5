/**
 * Verbs about the files of persistent and replicated databases at this node: they are looked at while work goes on.
 *
 *   db slice        some pages, from one on: those that are bad are mended from now on
 *   db check        begins a check of the whole copy, or joins one; db check look: how far it is
 *
 * Does NOT promise: a copy of the files; `db backup` makes one.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Args, Verb } from "../control.ts";
import type { CheckLook, SliceLook, TendWish } from "../data/commit_checks.ts";
import type { NodeParts } from "../node_parts.ts";
import { documentAt, text, whole } from "./args.ts";
import { databaseNamed } from "./databases.ts";

/** Pages of one slice, at most: 4 MiB. */
const SLICE_MAX = 1024;
const U32 = 0xffff_ffff;

/** Looks of this file; anybody may ask them. */
export function fileLooks(node: NodeParts): [string, Verb][] {
  return [
    ["db slice", (args) => tend(node, args, ({ name }) => slice(name, args))],
    ["db check", (args) => tend(node, args, ({ name }) => ({ do: "check", name }))],
    ["db check look", (args) => {
      return tend(
        node,
        args,
        ({ name }) => ({ do: "look", name, job: whole(args, "job", 1, U32) }),
      );
    }],
  ];
}

function slice(name: string, args: Args): TendWish {
  const from = whole(args, "from", 0, U32);
  return { do: "slice", name, from, count: whole(args, "count", 1, SLICE_MAX) };
}

/** Throws CtdbxError "not_found", "unsupported". */
async function tend(
  node: NodeParts,
  args: Args,
  wish: (about: { readonly name: string }) => TendWish,
): Promise<SliceLook | CheckLook> {
  const { name, kind } = databaseNamed(documentAt(node), text(args, "name"));
  if (kind === "volatile") {
    throw new CtdbxError("unsupported", `Cannot look at the files of ${name}: it is volatile`);
  }
  const { data } = node;
  if (data === undefined || !data.isUp) {
    throw new CtdbxError(
      "busy",
      `Cannot look at the files of ${name}: the data thread does not run`,
    );
  }
  return await data.thread.tend(wish({ name }));
}
