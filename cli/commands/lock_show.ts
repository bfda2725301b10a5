/**
 * `ctdbx lock show`: what the asked node knows of the leader lock. The lock only chooses who tries to lead; see
 * `leader show` for who does.
 *
 * Does NOT promise: the newest; a node reads the lock about once a second, and says how long ago it did.
 */

import type { Command } from "commander";
import { spanText } from "../answers.ts";
import { object, type RowOf } from "../result.ts";
import { int, maybe, ms, text, u64, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { declareQuestion } from "./question.ts";

const LOCK = object({
  kind: word("Kind", "how the lock is kept", ["jetstream", "file", "helper", "single"]),
  holder: maybe(text("Holder", "name of the node that has it; null: nobody")),
  token: maybe(text("Token", "of the holder, as counter.voter.n")),
  incarnation: maybe(u64("Life of the holder", "the incarnation that took it")),
  revision: maybe(int("Revision", "of the lock's record; it rises with each change")),
  readMsAgo: ms("Read", "since this node has read it"),
  underWay: maybe(text("Under way", "what this node is doing with it just now")),
  staleReads: int("Stale reads in a row", "reads that gave something older than was known"),
}, {
  table: [
    "kind",
    { name: "holder", text: ({ holder }) => holder ?? "nobody" },
    "token",
    "incarnation",
    "revision",
    { name: "readMsAgo", text: ({ readMsAgo }) => `${spanText(readMsAgo)} ago` },
    "underWay",
    "staleReads",
  ],
});

/** Adds `show` to `ctdbx lock`. */
export function addLockShowCommand(lock: Command, world: CommandWorld): void {
  declareQuestion(
    lock.command("show").description("who holds it, as one node knows it"),
    world,
    { result: LOCK },
    { verbs: ["lock show"], data: ([answer]) => answer as RowOf<typeof LOCK> },
  );
}
