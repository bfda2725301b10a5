/**
 * Seeing one node take the place of another: from the invitation to the end of the old one.
 *
 *   invited ─▶ joined ─▶ in the view ─▶ the vote is moved ─▶ the old one goes, step by step ─▶ gone
 *
 * Does NOT promise: that anybody joins; it waits until the invitation is over.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Asked } from "../commands/asking.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { DocumentAnswer } from "./document_answer.ts";

/** Between two looks, ms. */
const LOOK_MS = 200;

/** Who goes. */
export interface Old {
  readonly pnn: number;
  readonly name: string;
}

/** Waits until the old node is gone. Throws Failure (expectation) when the invitation is over before anybody came. */
export async function followReplace(
  asked: Asked,
  old: Old,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let said = "";
  while (!signal.aborted) {
    const words = await asked.look("cluster view").then(
      (view) => replaceWords(view as DocumentAnswer, old),
      (error: unknown) => {
        // Between two leaders nobody can say.
        if (error instanceof Failure) return error.message;
        throw error;
      },
    );
    if (words === undefined) return say(`${old.name} is gone`);
    if (words !== said) say(words);
    said = words;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
}

/** What it waits for, by a document; undefined: nothing, the old one is gone. Throws Failure (expectation). */
export function replaceWords(view: DocumentAnswer, { pnn, name }: Old): string | undefined {
  const old = view.nodes.find((each) => each.pnn === pnn);
  if (old === undefined) return undefined;
  const isIn = (one: number) => view.members.some((member) => member.pnn === one);
  if (old.leaving !== undefined) {
    return `${name} goes: ${isIn(pnn) ? "out of the view next" : "off the list next"}`;
  }
  const next = view.nodes.find((each) => each.replaces === pnn);
  if (next !== undefined) {
    return isIn(next.pnn)
      ? `${next.name} is in the view: the vote of ${name} moves to it`
      : `${next.name} has joined: it comes into the view next`;
  }
  const invitation = view.invitations.find((each) => each.replacesPnn === pnn);
  if (invitation === undefined) {
    throw new Failure(
      EXIT.expectation,
      `Cannot see ${name} replaced: nobody is invited in its place any more`,
      "the invitation was taken back; `ctdbx cluster replace OLD NEW` makes another one",
    );
  }
  if (invitation.leftMs > 0) return `${invitation.name} is invited: it has not joined yet`;
  throw new Failure(
    EXIT.expectation,
    `Cannot see ${name} replaced: the invitation of ${invitation.name} is over`,
    `\`ctdbx cluster uninvite ${invitation.name}\` and make another one`,
  );
}
