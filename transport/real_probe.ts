/**
 * The Prober port on this machine: each kind of look is handed to who can do it.
 *
 * Does NOT promise: a shell; a command is a program and its words.
 */
import type { Groups } from "./group.ts";
import {
  type ExecWish,
  type Probe,
  type Prober,
  type ProbeResult,
  type ProbeWish,
  TAIL_MAX,
} from "./probe.ts";
import process from "node:process";
import { probeHttp, probeTcp } from "./real_probe_net.ts";
import { probeSystemd, SystemLooks } from "./real_probe_system.ts";

/** Looks at services of this machine, and at others from here. */
export class RealProber implements Prober {
  readonly #groups: Groups;
  readonly #systemctl: string;
  readonly #looks = new SystemLooks();

  constructor(groups: Groups, systemctl = "systemctl") {
    this.#groups = groups;
    this.#systemctl = systemctl;
  }

  start(name: string, wish: ProbeWish, timeoutMs: number): Probe {
    switch (wish.kind) {
      case "tcp":
        return probeTcp(wish, timeoutMs);
      case "http":
        return probeHttp(wish, timeoutMs);
      case "exec":
        return probeExec(this.#groups, wish, timeoutMs);
      case "systemd":
        return probeSystemd(this.#groups, wish, timeoutMs, this.#systemctl);
      case "file":
      case "disk":
      case "memory":
        return this.#looks.start(name, wish, timeoutMs);
    }
  }
}

/** Runs a program; its whole group is killed when its time is over. */
function probeExec(groups: Groups, { command, env, warnExit }: ExecWish, timeoutMs: number): Probe {
  const run = groups.run({
    command,
    timeoutMs,
    outputMax: TAIL_MAX,
    ...env === undefined ? {} : { env: { ...ownEnv(), ...env } },
  });
  const ended = run.ended.then((end): ProbeResult => {
    const { code, signal, isTimeout, output, cutBytes, fault } = end;
    const cut = cutBytes === 0 ? "" : `(${cutBytes} bytes before this are left out)\n`;
    const tail = { ...output === "" ? {} : { tail: cut + output } };
    if (fault !== undefined) return { level: "failed", why: fault.message, ...tail };
    if (isTimeout) {
      return { level: "failed", why: `no end within ${timeoutMs / 1000} s: killed`, ...tail };
    }
    if (code === 0) return { level: "ok", ...tail };
    const why = signal === undefined ? exitWords(command[0] ?? "", code) : `ended by ${signal}`;
    const isWarning = warnExit !== undefined && code === warnExit;
    return { level: isWarning ? "warning" : "failed", why, ...tail };
  });
  return { ended, stop: () => run.kill() };
}

/** An exit code, with what a shell means by it. */
function exitWords(program: string, code: number | undefined): string {
  if (code === 127) return `exit code 127: is there a ${program}?`;
  return code === 126 ? `exit code 126: may ${program} be executed?` : `exit code ${code}`;
}

/** The environment of this process. */
function ownEnv(): Record<string, string> {
  const pairs = Object.entries(process.env).filter((pair): pair is [string, string] =>
    pair[1] !== undefined
  );
  return Object.fromEntries(pairs);
}
