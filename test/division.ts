/**
 * Which test files depend on no runtime: in `npm test` each of them is one runtime's, as a whole.
 *
 *   test/actors/machines/record/move.test.ts   one of the two has it; the other one does not load it
 *   test/transport/real_socket.test.ts         both; within it test.either and share() divide (test/suite.ts, limit.ts)
 *
 * Does NOT promise: halves of equal time.
 */

/** Such files, and folders of them. Storage is not among them: its engine stands on the kernels. */
const EITHER = [
  "test/actors/",
  "test/scenarios/",
  "test/build/",
  "test/bench/meta.test.ts",
  "test/bench/records.test.ts",
  "test/bench/tdb.test.ts",
  "test/swarm/",
  "test/transport/sim/",
  "test/transport/wire/",
  // Of the commands what is said and how, and what works on doubles.
  "test/cli/board.test.ts",
  "test/cli/chaos.test.ts",
  "test/cli/check_report.test.ts",
  "test/cli/completion.test.ts",
  "test/cli/conditions.test.ts",
  "test/cli/declare.test.ts",
  "test/cli/dev_job.test.ts",
  "test/cli/dump_text.test.ts",
  "test/cli/event_text.test.ts",
  "test/cli/explain_text.test.ts",
  "test/cli/leader_reason.test.ts",
  "test/cli/man.test.ts",
  "test/cli/membership/steps.test.ts",
  "test/cli/nearest.test.ts",
  "test/cli/peer_words.test.ts",
  "test/cli/progress.test.ts",
  "test/cli/rec.test.ts",
  "test/cli/record_lines.test.ts",
  "test/cli/result.test.ts",
  "test/cli/sim.test.ts",
  "test/cli/top_screen.test.ts",
  "test/cli/tree.test.ts",
  "test/cli/tx.test.ts",
  "test/cli/tx_text.test.ts",
  "test/cli/wrapped.test.ts",
];
/** What in them depends on the runtime: adapters, threads, the kernels, the runner itself. */
const BOTH = [
  "test/actors/client/wrong_arguments.test.ts",
  // The same trace on both.
  "test/actors/machines/messages/swarm.test.ts",
  "test/actors/machines/metadata/swarm.test.ts",
  "test/actors/resources/desk.test.ts",
  "test/actors/shard_remote.test.ts",
  "test/actors/storage/",
  "test/build/folder.test.ts",
  "test/build/ready.test.ts",
  "test/build/run.test.ts",
  "test/swarm/same_run.test.ts",
  // What CBOR is made of and made to, by a package.
  "test/transport/wire/codec.test.ts",
  "test/transport/wire/hostile.test.ts",
];
/** Of them, what does nothing but simulate whole nodes: Deno's, whom it costs half of what it costs Bun. */
const SIMULATED = [
  "test/swarm/",
  "test/actors/addresses/",
  "test/actors/client/",
  "test/actors/data/catch_up.test.ts",
];

/** Bun's: each process that it starts costs Deno a tenth of a second once its own one is large. */
const STARTING = ["test/actors/machines/addresses/plan/random.test.ts"];

/**
 * Bun's turn first: they start many nodes for a short time each, whom a binary of Bun has up in half the processor time
 * that Deno takes. Deno has those whose nodes live long.
 */
const STARTING_NODES = [
  "test/live/commits.test.ts",
  "test/live/life.test.ts",
  "test/live/membership.test.ts",
  "test/live/scripts.test.ts",
  "test/live/services.test.ts",
  "test/live/upgrade.test.ts",
];

/** Is a file one runtime's when two share the work? */
export function isOfOne(path: string): boolean {
  const isIn = (start: string) => path.startsWith(start);
  return EITHER.some(isIn) && !BOTH.some(isIn);
}

function sumOf(path: string): number {
  let sum = 0;
  for (const letter of path) sum += letter.charCodeAt(0);
  return sum;
}

/** Whose a file is that is one runtime's. Deno has two of three, for some of them simulate, too. */
export function turnOf(path: string): number {
  if (SIMULATED.some((start) => path.startsWith(start))) return 1;
  if (STARTING.includes(path)) return 0;
  return sumOf(path) % 3 === 0 ? 0 : 1;
}

/** The first turn in a file of both, 0 or 1: half of all begin with either, but for those that start nodes. */
export function firstTurn(path: string): number {
  if (STARTING_NODES.includes(path)) return 0;
  return sumOf(path) % 2;
}
