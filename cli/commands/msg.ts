/**
 * `ctdbx msg send | listen | exists`: messages between programs, by a 64-bit number on which they listen.
 *
 *   send TARGET SRVID DATA   TARGET: a node's name or number, all nodes, or the connected ones (those in the view)
 *   listen SRVID             each message as it comes, until Ctrl-C; what was lost is told
 *   exists                   are there programs with this process id, or that listen on this number?
 *
 * Does NOT promise: that somebody has heard it; a message is sent once, to who listens then.
 */

import { type Command, InvalidArgumentError } from "commander";
import type { MessageItem, SendTo } from "../../actors/client/types.ts";
import type { NodeAnswer } from "../answers.ts";
import { escapeBytes, fromText, shown } from "../bytes_text.ts";
import { findNodeAnswer } from "../conditions.ts";
import { type ConnectFlags, connectOptions, ONE_MS, OP_WAIT, withCluster } from "../connection.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { onAbort } from "../ending.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { nodeHint } from "../nearest.ts";
import { oneLine } from "../output.ts";
import { object, type RowOf, rows } from "../result.ts";
import { int, maybe, text, u64, word } from "../schema.ts";
import { signalWait } from "../until_signal.ts";
import type { CommandWorld, EncodingFlags } from "../world.ts";
import { encodingOf, encodingOptions, readInput, whole } from "../world.ts";
import { Asked } from "./asking.ts";

/** Longest message, bytes; the library refuses what is longer by its own limit. */
const INPUT_MAX = 16 * 1024 * 1024;

interface DataFlags extends ConnectFlags, EncodingFlags {}
interface ListenFlags extends DataFlags {
  readonly count?: number;
}
interface ExistsFlags extends ConnectFlags {
  readonly pid?: number;
  readonly srvid?: bigint;
}

const SENT = object({
  target: text("Target", "to whom, as it was named"),
  srvid: u64("Number", "on which they listen"),
  bytes: int("Bytes", "of the message", "bytes"),
  nodes: int("Nodes", "to how many nodes it went: those at which somebody listens, or may"),
});
const HEARD = rows({
  time: text("Time", "when this command heard of it; ISO 8601, UTC"),
  what: word("What", "lost: so many are missing here; life: a node has begun anew", [
    "message",
    "lost",
    "life",
  ]),
  pnn: maybe(int("Pnn", "number of the sender's node; null: of several")),
  program: maybe(int("Program", "number of the sender at its node")),
  srvid: maybe(u64("Number", "on which it was sent")),
  count: maybe(int("Count", "of lost messages, at most")),
  data: maybe(text("Data", "its bytes, as `encoding` says")),
  encoding: maybe(word("Encoding", "how the bytes are written", [
    "text",
    "hex",
    "base64",
    "escaped",
  ])),
});
type Heard = RowOf<typeof HEARD>;
const FOUND = rows({
  pnn: int("Pnn", "number of a node"),
  programs: maybe(int("Programs", "how many there are; null: the node did not answer")),
});

/** Characters of a message that a line for people shows. */
const SHOWN_MAX = 200;

/** Adds `ctdbx msg`. */
export function addMsgCommands(program: Command, world: CommandWorld): void {
  const msg = program.command("msg").description("messages between programs");
  const send = msg.command("send <target> <srvid> <data>")
    .description("send one to a node, to all or to the connected; data of - is standard input");
  declare<DataFlags, RowOf<typeof SENT>>(
    encodingOptions(connectOptions(send), "data"),
    world,
    { result: SENT, asks: "home", changes: true, timeout: OP_WAIT },
    runSend,
  );
  const listen = msg.command("listen <srvid>").description(
    "show messages as they come, until Ctrl-C",
  );
  declare<ListenFlags, Heard>(
    encodingOptions(connectOptions(listen), "output")
      .option("--count <messages>", "end after so many", whole(1, 1_000_000_000)),
    world,
    { result: HEARD, asks: "home", timeout: { text: "end after so long" } },
    runListen,
  );
  const exists = msg.command("exists [node]")
    .description("programs with this process id, or that listen; exit code 3 when there is none");
  declare<ExistsFlags, RowOf<typeof FOUND>>(
    connectOptions(exists)
      .option("--pid <pid>", "process id, on the node", whole(1, 4194304))
      .option("--srvid <srvid>", "number on which it listens", argument),
    world,
    { result: FOUND, asks: "home", timeout: OP_WAIT },
    runExists,
  );
}

/** A 64-bit number, in decimal or 0x and hex digits; undefined: it is none. */
export function srvidOf(text: string): bigint | undefined {
  if (!/^(\d{1,20}|0[xX][0-9a-fA-F]{1,16})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < 1n << 64n ? value : undefined;
}

function argument(text: string): bigint {
  const value = srvidOf(text);
  if (value !== undefined) return value;
  throw new InvalidArgumentError("Must be a whole number of 64 bits, as 17 or 0x11.");
}

function required(text: string): bigint {
  const value = srvidOf(text);
  if (value !== undefined) return value;
  throw usage(`Cannot use ${JSON.stringify(text)}: it is no number of 64 bits`, "as 17 or 0x11");
}

/** To whom: all, connected, a number, or a name that the asked node knows. Throws Failure. */
async function target(name: string, flags: ConnectFlags & CommonFlags): Promise<SendTo> {
  if (name === "all" || name === "connected") return name;
  if (/^\d{1,4}$/.test(name)) return Number(name);
  if (flags.nats !== undefined) {
    throw usage(`Cannot find node ${name} over NATS alone`, "name it by its number");
  }
  const asked = await Asked.of(flags);
  const nodes = await asked.look("node list") as readonly NodeAnswer[];
  const found = findNodeAnswer(nodes, name);
  if (found !== undefined) return found.pnn;
  const known = nodes.map((node) => node.name);
  throw new Failure(
    EXIT.notFound,
    `Cannot find node ${name}: known are ${known.join(", ")}`,
    nodeHint(name, known),
  );
}

async function runSend(
  task: Task<DataFlags, RowOf<typeof SENT>>,
  name = "",
  number = "",
  given = "",
): Promise<void> {
  const { flags, out, world } = task;
  const srvid = required(number);
  const data = given === "-"
    ? await readInput(world, INPUT_MAX, "the message")
    : fromText(given, encodingOf(flags), "the message");
  const to = await target(name, flags);
  const nodes = await withCluster(task, (cluster) => cluster.send(to, srvid, data));
  out.object({ target: name, srvid: String(srvid), bytes: data.length, nodes });
}

async function runListen(task: Task<ListenFlags, Heard>, number = ""): Promise<void> {
  const { flags, out, signal } = task;
  const srvid = required(number);
  const signals = signalWait();
  try {
    await withCluster(task, async (cluster) => {
      await using listener = await cluster.listen(srvid);
      out.say(`listening at ${cluster.name} on ${srvid}; Ctrl-C ends it\n`);
      out.flush();
      let isOver = false;
      const stop = (): void => {
        isOver = true;
        void listener.close();
      };
      onAbort(signal, stop);
      void signals.signalled.then(stop);
      let left = flags.count ?? Infinity;
      for await (const item of listener) {
        const time = new Date().toISOString();
        if (out.isTable) out.say(messageLine(time, item, srvid));
        else out.row({ time, ...messageRow(item, flags) });
        out.flush();
        if (item.type === "message") left -= 1;
        if (left <= 0) return;
      }
      if (isOver) return;
      const why = await Promise.race([cluster.closed, Promise.resolve("it was cut off")]);
      throw new Failure(EXIT.other, `Cannot listen any longer: ${why}`, "run it again");
    }, { timeoutMs: ONE_MS });
  } finally {
    signals.end();
  }
}

/** A message as a row, without its time. */
export function messageRow(item: MessageItem, flags: EncodingFlags): Omit<Heard, "time"> {
  switch (item.type) {
    case "lost":
      return { what: "lost", count: item.count, ...item.from };
    case "life":
      return { what: "life", pnn: item.pnn };
    case "message": {
      const { from, srvid, data } = item;
      const wanted = flags.hex ? "hex" : flags.base64 ? "base64" : undefined;
      const { strings: [text = ""], encoding } = flags.escaped
        ? { strings: [escapeBytes(data)], encoding: "escaped" as const }
        : shown([data], wanted);
      return { what: "message", ...from, srvid: String(srvid), data: text, encoding };
    }
  }
}

/** A message as a line for people; `asked`: the number that was listened to. */
export function messageLine(time: string, item: MessageItem, asked: bigint): string {
  const at = time.slice(11, 23);
  switch (item.type) {
    case "lost": {
      const who = item.from === undefined ? "" : ` of ${item.from.pnn}:${item.from.program}`;
      return `${at}  (up to ${item.count} messages${who} are missing here)\n`;
    }
    case "life":
      return `${at}  (node ${item.pnn} has begun anew)\n`;
    case "message": {
      const { from: { pnn, program }, srvid, data } = item;
      const on = srvid === asked ? "" : ` on ${srvid}`;
      const more = data.length > SHOWN_MAX ? ` ... ${data.length} bytes` : "";
      const text = escapeBytes(data.subarray(0, SHOWN_MAX));
      return `${oneLine(`${at}  ${pnn}:${program}${on}  ${text}${more}`)}\n`;
    }
  }
}

async function runExists(
  task: Task<ExistsFlags, RowOf<typeof FOUND>>,
  node?: string,
): Promise<void> {
  const { flags, out } = task;
  const { pid, srvid } = flags;
  if (pid === undefined && srvid === undefined) {
    throw usage("Cannot tell what to look for", "--pid names a process, --srvid a number");
  }
  const named = node === undefined || node === "all" ? undefined : await target(node, flags);
  const pnn = typeof named === "number" ? named : undefined;
  const answer = await withCluster(task, (cluster) =>
    cluster.exists({
      ...pnn === undefined ? {} : { pnn },
      ...pid === undefined ? {} : { pid },
      ...srvid === undefined ? {} : { srvid },
    }));
  const silent = answer.unheard;
  for (const { pnn, count } of answer.nodes) out.row({ pnn, programs: count });
  for (const pnn of silent) out.row({ pnn });
  const programs = answer.nodes.reduce((sum, { count }) => sum + count, 0);
  if (silent.length > 0) {
    throw new Failure(
      EXIT.partial,
      `Cannot ask all nodes: ${silent.join(", ")} did not answer`,
      "`ctdbx cluster status` shows which nodes are heard",
    );
  }
  if (programs > 0) return;
  throw new Failure(EXIT.notFound, "Cannot find such a program", "is it connected to its node?");
}
