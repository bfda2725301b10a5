/**
 * What the NATS servers of a configuration do with a connection, and with the node's credentials.
 *
 *   dial ─▶ first line within GREET_MS? ─▶ INFO: version, JetStream, does it demand a log-in?
 *
 * Does NOT promise: that a server which greets also works; it may be slow, or cut off from the others of its cluster.
 */

import { connect } from "node:net";
import type { LoginFact, ServerFact } from "../../actors/explain/facts.ts";
import type { NodeConfig } from "../../actors/node_config.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { addressOf } from "../../transport/real_nats_socket.ts";
import { listenerOn } from "./processes.ts";

/** A server that is well greets within this, ms. */
export const GREET_MS = 300;
/** A log-in takes so long at the most, ms. */
export const LOGIN_MS = 350;
/** Servers that are tried. */
const SERVERS_MAX = 8;
/** Longest first line that is read, bytes. */
const GREETING_MAX = 65536;
/** How often the bus is looked at, ms. */
const LOOK_MS = 10;

/** What each server does. */
export async function greetings(servers: readonly string[]): Promise<ServerFact[]> {
  return await Promise.all(servers.slice(0, SERVERS_MAX).map(greeting));
}

async function greeting(server: string): Promise<ServerFact> {
  let address: { host: string; port: number };
  try {
    address = addressOf(server);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { server, state: "unreachable", ms: 0, text };
  }
  const startMs = performance.now();
  const { state, text } = await firstLine(address.host, address.port);
  const about = { server, state, ms: Math.round(performance.now() - startMs) };
  if (state === "greets") return { ...about, ...infoOf(text) };
  const owner = state === "silent" || state === "odd"
    ? listenerOn(address.port, state === "silent" ? "nats" : "")
    : undefined;
  return { ...about, text, ...owner === undefined ? {} : { owner } };
}

function firstLine(
  host: string,
  port: number,
): Promise<Pick<ServerFact, "state"> & { text: string }> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let isConnected = false;
    let heard = "";
    const end = (state: ServerFact["state"], text: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ state, text });
    };
    const timer = setTimeout(
      () => isConnected ? end("silent", heard) : end("unreachable", `no answer in ${GREET_MS} ms`),
      GREET_MS,
    );
    socket.on("connect", () => isConnected = true);
    socket.on("data", (bytes: Uint8Array) => {
      heard += new TextDecoder("latin1").decode(bytes);
      if (heard.length >= 5 && !heard.startsWith("INFO ")) return end("odd", heard.slice(0, 60));
      const at = heard.indexOf("\r\n");
      if (at >= 0) end("greets", heard.slice(0, at));
      else if (heard.length > GREETING_MAX) end("odd", heard.slice(0, 60));
    });
    socket.on("error", (error: Error & { code?: string }) => {
      if (error.code === "ECONNREFUSED") end("refused", "nothing listens there");
      else end("unreachable", error.message);
    });
    socket.on("close", () => end("odd", "it hangs up at once"));
  });
}

function infoOf(line: string): Partial<ServerFact> {
  try {
    const info = JSON.parse(line.slice("INFO ".length)) as Record<string, unknown>;
    return {
      ...typeof info["version"] === "string" ? { version: info["version"] } : {},
      hasJetStream: info["jetstream"] === true,
      demandsLogin: info["auth_required"] === true || info["tls_required"] === true,
    };
  } catch {
    return { text: "its greeting cannot be read" };
  }
}

/** What becomes of a log-in as this node. */
export async function loginAs(config: NodeConfig): Promise<LoginFact> {
  // Loaded when it is wanted: the client takes its time.
  const [{ RealBus }, { loginOf }] = await Promise.all([
    import("../../transport/real_bus.ts"),
    import("../node_world.ts"),
  ]);
  const { servers } = config.nats;
  const bus = new RealBus({
    servers,
    login: loginOf(config.nats),
    name: `ctdbx ${config.cluster} ${config.name} explain`,
    clock: new RealClock(),
    dice: new RealDice(),
    log: { write: () => {} },
  });
  const first = bus.trouble;
  const endMs = performance.now() + LOGIN_MS;
  while (bus.status !== "connected" && bus.trouble === first && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const { status, trouble = "" } = bus;
  void bus.close();
  if (status === "connected") return { state: "ok", text: "the server takes the log-in" };
  if (trouble === first) return { state: "failed", text: `no answer within ${LOGIN_MS} ms` };
  return {
    state: /refuses|authori[sz]ation|TLS|certificate/i.test(trouble) ? "denied" : "failed",
    text: trouble,
  };
}
