/**
 * The times and bounds of the message machine, each with its unit and odd values for the simulator to draw.
 *
 * Does NOT promise: that nodes with different values do well together; they only stay right.
 */

import { type Tunable, tunable } from "../tunable.ts";

const MIB = 1024 * 1024;

/** All of them, by the name they have in MessageTiming. */
export const MESSAGE_TUNABLES = {
  ackMs: tunable("ackMs", "ms", 50, [1, 10, 150], "an acknowledgement waits so long for company"),
  ackEach: tunable("ackEach", "count", 32, [1, 3], "and for so many publications at most"),
  resendMs: tunable("resendMs", "ms", 200, [30, 400], "no acknowledgement: the oldest goes again"),
  resendMaxMs: tunable("resendMaxMs", "ms", 2000, [500], "and again, doubled up to this"),
  missMs: tunable("missMs", "ms", 5, [1, 20], "between two complaints about a missing publication"),
  windowCount: tunable("windowCount", "count", 64, [1, 3], "publications under way to a node"),
  windowBytes: tunable("windowBytes", "bytes", 2 * MIB, [500], "and their bytes; one goes always"),
  linkCount: tunable("linkCount", "count", 65_536, [8, 20], "entries kept for a node"),
  linkBytes: tunable("linkBytes", "bytes", 32 * MIB, [4000], "and their bytes"),
  lostRows: tunable("lostRows", "count", 256, [1, 3], "programs and srvids told apart in a loss"),
  programCount: tunable(
    "programCount",
    "count",
    8192,
    [6, 30],
    "messages that a program has not taken",
  ),
  programBytes: tunable("programBytes", "bytes", 32 * MIB, [3000], "and their bytes"),
  toldMs: tunable("toldMs", "ms", 250, [50], "an interest that is not acknowledged goes again"),
  toldMaxMs: tunable("toldMaxMs", "ms", 2000, [400], "and again, doubled up to this"),
  registerMs: tunable(
    "registerMs",
    "ms",
    1000,
    [100, 5000],
    "a registration waits so long for those told",
  ),
  narrowMs: tunable(
    "narrowMs",
    "ms",
    30_000,
    [500, 3000],
    "srvids that nobody has any more are taken back",
  ),
  askAgainMs: tunable("askAgainMs", "ms", 250, [40], "a question is asked again"),
} as const satisfies Record<string, Tunable>;

/** The values in force. */
export type MessageTiming = { readonly [Name in keyof typeof MESSAGE_TUNABLES]: number };

/** The values as they are delivered. */
export function defaultMessageTiming(): MessageTiming {
  const entries = Object.entries(MESSAGE_TUNABLES).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as MessageTiming;
}

/** Programs of a node. */
export const PROGRAMS_MAX = 4096;
/** Srvids of a program. */
export const SRVIDS_MAX = 4096;
/** Questions of a node that wait for answers. */
export const ASKS_MAX = 1024;
/** Registrations that wait until others know of them. */
export const REGISTERING_MAX = 65_536;
/** Links to which a broadcast goes as one publication; to fewer it goes as one each. */
export const BROADCAST_MIN = 3;
