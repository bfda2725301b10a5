/**
 * Can this machine's nats-server listen where it shall? Tried by listening there for a moment.
 *
 *   free ─▶ ok     somebody listens there, it is no address of this machine, not permitted ─▶ what to do
 *
 * Without it the node would log in at whatever server listens there, or wait for its own in vain.
 *
 * Does NOT promise: that nobody takes the port a moment later.
 */

import { createServer } from "node:net";
import { EXIT } from "../exit_codes.ts";
import { listenOf } from "../managed_nats.ts";
import type { Check } from "./checks.ts";

const NAME = "listen";

/** The check of an address, host:port. */
export async function listenCheck(listen: string): Promise<Check> {
  const code = await tried(listen);
  if (code === undefined) return { name: NAME, ok: true, text: `${listen} is free` };
  const text = `its nats-server cannot listen at ${listen}: `;
  const wrong = { name: NAME, ok: false, exit: EXIT.conflict };
  switch (code) {
    case "EADDRINUSE":
      return {
        ...wrong,
        text: `${text}somebody else does`,
        hint: "--listen HOST:PORT chooses another; --servers HOST:PORT uses the server there",
      };
    case "EACCES":
      return { ...wrong, exit: EXIT.denied, text: `${text}not permitted`, hint: CHOOSE };
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    // Deno's word for an address of another machine.
    case "EINVAL":
      return {
        ...wrong,
        exit: EXIT.usage,
        text: `${text}no address of this machine`,
        hint: CHOOSE,
      };
    default:
      return { ...wrong, exit: EXIT.other, text: `${text}${code}`, hint: CHOOSE };
  }
}

const CHOOSE = "--listen HOST:PORT chooses another; --advertise says where others reach it";

/** Why one cannot listen there, as the system calls it; undefined: one can. */
function tried(listen: string): Promise<string | undefined> {
  const { host = "127.0.0.1", port } = listenOf(listen);
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", (error) => {
      resolve((error as { code?: string }).code ?? error.message);
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
