/**
 * ctdbx for programs: `import { connect } from "ctdbx"`.
 *
 *   await using cluster = await connect();                       the node of this machine; its files are mapped
 *   await using cluster = await connect({ mapped: false });      the node of this machine, without FFI
 *   await using cluster = await connect({ servers, cluster });   NATS alone: no node here, no FFI, no files
 *
 * Here the client is put together from the adapters of the runtime; nothing else of actors may do that.
 *
 * Does NOT promise: that a connection closes by itself when the program has nothing more to do: close it.
 */
import { join } from "node:path";
import process from "node:process";
import { type Libc, openLibc } from "../transport/ffi.ts";
import { RealClock } from "../transport/real_clock.ts";
import { RealImageStore } from "../transport/real_image.ts";
import { DATA_SOCKET, runFolderOf, silentHint } from "../transport/real_node_places.ts";
import { RealDice } from "../transport/real_dice.ts";
import { RealPlainClock } from "../transport/real_plain_clock.ts";
import { dialAt } from "../transport/real_stream.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Tag } from "../transport/wire/terms.ts";
import type { Log } from "../transport/world.ts";
import { ClusterClient } from "./client/cluster.ts";
import { checkConnectOptions } from "./client/connect_options.ts";
import type { Wire } from "./client/connection.ts";
import { dialNats } from "./client/nats_dial.ts";
import { type Cluster, type ConnectOptions, TIMEOUT_MS } from "./client/types.ts";

export { numberOf } from "./client/built_in.ts";
export { CtdbxError } from "../transport/wire/errors.ts";
export type { ErrorCode } from "../transport/wire/errors.ts";
export { KEEP, TIMEOUT_MS, TransactionError, TRIES } from "./client/types.ts";
export type * from "./client/types.ts";

/** What all connections of a thread share: one store of mapped files. */
const shared: { images?: RealImageStore } = {};

/**
 * Connects to a cluster, and resolves when the node serves this program. Without options: the node of CTDBX_HOME, or
 * the only one that runs on this machine. Throws CtdbxError: "not_found" (no node there), "timeout", "config" (which
 * node? or an option is wrong), "denied", "version" (another release), "unsupported" (no FFI: use `mapped: false`).
 *
 * ```ts
 * await using cluster = await connect();
 * const visits = await cluster.attach("visits");
 * await visits.increment("home page");
 * ```
 */
export async function connect(options: ConnectOptions = {}): Promise<Cluster> {
  checkConnectOptions(options);
  const { servers, timeoutMs = TIMEOUT_MS } = options;
  return servers === undefined
    ? await connectHere(options, timeoutMs)
    : await connectOver(servers, options, timeoutMs);
}

async function connectHere(options: ConnectOptions, timeoutMs: number): Promise<Cluster> {
  const { home, node, run = runFolderOf(home, node), mapped = true } = options;
  const path = join(run, DATA_SOCKET);
  const libc = mapped ? openOrSay() : undefined;
  let wasThere = false;
  return await ClusterClient.open({
    clock: libc === undefined ? new RealPlainClock() : new RealClock(libc),
    way: "local",
    pid: process.pid,
    program: programName(),
    runtime: runtimeName(),
    timeoutMs,
    images: libc === undefined ? undefined : shared.images ??= new RealImageStore({ libc }),
    dial: async (events): Promise<Wire> => {
      const stream = await dialAt(path, events).catch((error: unknown) => {
        throw notRunning(error, run, wasThere);
      });
      wasThere = true;
      return { write: (bytes) => stream.write(bytes), close: () => stream.close() };
    },
  });
}

/** Says what to do when nobody listens at a node's socket. `wasThere`: somebody did before, in this program's life. */
function notRunning(error: unknown, run: string, wasThere: boolean): unknown {
  if (!(error instanceof CtdbxError) || error.code !== "not_found") return error;
  const hint = silentHint(run, wasThere);
  return new CtdbxError("not_found", `Cannot connect: no node runs in ${run}; ${hint}`, {
    cause: error,
  });
}

/** The C library. Throws "denied": Deno without --allow-ffi. */
function openOrSay(): Libc {
  try {
    return openLibc();
  } catch (error) {
    if (error instanceof CtdbxError) throw error;
    const hint = "on Deno allow it by --allow-ffi; or connect with { mapped: false }";
    throw new CtdbxError("denied", `Cannot map the node's files: no FFI; ${hint}`, {
      cause: error,
    });
  }
}

/** A log of the bus for programs: they hear of what is wrong by errors. */
const SILENT: Log = { write: () => {} };
/** Digits of a tag. */
const DIGITS = "abcdefghijklmnopqrstuvwxyz234567";
const INBOX = "_INBOX";

async function connectOver(
  servers: readonly string[],
  options: ConnectOptions,
  timeoutMs: number,
): Promise<Cluster> {
  const { cluster = "", keyFile, user, password, token, tls } = options;
  const { RealBus } = await import("../transport/real_bus.ts");
  const { readLogin } = await import("../transport/real_nats_login.ts");
  const clock = new RealPlainClock();
  const dice = new RealDice();
  const login = {
    ...keyFile === undefined ? {} : { keyFile },
    ...user === undefined ? {} : { user },
    ...password === undefined ? {} : { password },
    ...token === undefined ? {} : { token },
    ...tls === undefined ? {} : { tls },
  };
  const { inboxPrefix: inbox = INBOX } = readLogin(login);
  // Whoever has a key is known by it; others call themselves as they like.
  const tag = inbox.startsWith(`${INBOX}_`)
    ? inbox.slice(INBOX.length + 1)
    : Array.from({ length: 10 }, () => DIGITS[dice.below(32)]).join("");
  const name = `program ${programName()} ${process.pid}`;
  const bus = new RealBus({ servers, name, login, clock, dice, log: SILENT });
  const parts = { bus, clock, dice, cluster, tag: tag as Tag, inbox, timeoutMs };
  // A program that was let in before tries on: its key may just be changed.
  let wasThere = false;
  return await ClusterClient.open({
    clock,
    way: "nats",
    pid: process.pid,
    program: programName(),
    runtime: runtimeName(),
    timeoutMs,
    images: undefined,
    dial: async (events) => {
      const wire = await dialNats({ ...parts, endsRefused: !wasThere }, events);
      wasThere = true;
      return wire;
    },
    onEnd: () => bus.close(),
  });
}

/** What the node shows of this program. */
function programName(): string {
  return process.argv[1]?.split("/").at(-1) ?? "";
}

/** Which runtime this is, and its version: each writes down functions in its own way. */
function runtimeName(): string {
  const { bun, deno, node = "" } = process.versions as Readonly<Record<string, string | undefined>>;
  return bun !== undefined ? `bun ${bun}` : deno !== undefined ? `deno ${deno}` : `node ${node}`;
}
