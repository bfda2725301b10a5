/**
 * The checks of a node in its world: the machine's looks are made, its restarts done, and its verdicts told.
 *
 *   machine ── run ──▶ Prober ──▶ done        changed ──▶ health, log, event        restart ──▶ a command in a group
 *
 * Does NOT promise: that a service which was started anew works; its check finds out.
 */
import type { Clock, Dice, Disk, Log } from "../../transport/world.ts";
import type { GroupRun, Groups } from "../../transport/group.ts";
import { type Probe, type Prober, TAIL_MAX } from "../../transport/probe.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { fitText } from "../../transport/wire/limits.ts";
import type { ServiceFields } from "../../transport/wire/messages/event_services.ts";
import { Actor } from "../actor.ts";
import { type ChecksEffect, type ChecksEvent, ChecksMachine } from "../machines/checks/checks.ts";
import type { CheckState, CheckStatus } from "../machines/checks/state.ts";
import type { CheckConfig } from "./checks_config.ts";
import { type Disabled, DisabledChecks } from "./disabled.ts";
import { CHECK_SOURCE, type NodeHealth, plainTail } from "./health.ts";
import { eventOf, rowOf, type ServiceRow, whyOf } from "./rows.ts";

/** What they need. */
export interface ServicesParts {
  readonly world: {
    readonly clock: Clock;
    readonly dice: Dice;
    readonly disk: Disk;
    readonly log: Log;
  };
  readonly checks: readonly CheckConfig[];
  readonly prober: Prober;
  readonly groups: Groups;
  readonly health: NodeHealth;
  readonly stateFolder: string;
  readonly tell: (fields: ServiceFields) => void;
}

/** The checks of one node. */
export class Services {
  readonly #parts: ServicesParts;
  readonly #configs: ReadonlyMap<string, CheckConfig>;
  readonly #machine: ChecksMachine;
  readonly #actor: Actor<ChecksEvent, ChecksEffect>;
  readonly #file: DisabledChecks;
  readonly #disabled: Map<string, Disabled>;
  /** What is under way, by check. */
  readonly #running = new Map<string, Probe | { stop(): void }>();
  readonly #waiting = new Map<string, ((row: ServiceRow | undefined) => void)[]>();

  constructor(parts: ServicesParts) {
    this.#parts = parts;
    const { checks, world, stateFolder } = parts;
    this.#configs = new Map(checks.map((check) => [check.rule.name, check]));
    this.#file = new DisabledChecks(world.disk, world.log, stateFolder);
    this.#disabled = new Map(this.#file.of(this.#configs.keys()));
    const rules = checks.map(({ rule }) => rule);
    this.#machine = new ChecksMachine(rules, new Set(this.#disabled.keys()), world.dice.u32());
    this.#actor = new Actor({
      name: "services",
      machine: this.#machine,
      clock: world.clock,
      log: world.log,
      wake: { kind: "wake" },
      perform: (effect) => this.#perform(effect),
      onFailure: (error) => this.#onFailure(error),
    });
    // Before the first heartbeat: nobody knows yet whether the services of this node work.
    for (const check of this.#machine.checks.values()) this.#judge(check);
  }

  start(): void {
    this.#actor.tell({ kind: "start" });
  }

  /** Ends what is under way; nobody looks any more. */
  stop(): void {
    this.#actor.stop();
    for (const each of this.#running.values()) each.stop();
    this.#running.clear();
    this.#release();
  }

  /** All checks, as they were configured. */
  get rows(): ServiceRow[] {
    return [...this.#machine.checks.values()].map((check) => this.#row(check));
  }

  /** One check. Throws CtdbxError "not_found". */
  row(name: string): ServiceRow {
    return this.#row(this.#check(name));
  }

  /** Looks now, and answers when that has ended. Throws CtdbxError "not_found", "state" (the node ends). */
  async run(name: string): Promise<ServiceRow> {
    this.#check(name);
    const row = await new Promise<ServiceRow | undefined>((resolve) => {
      this.#waiting.set(name, [...this.#waiting.get(name) ?? [], resolve]);
      if (!this.#actor.tell({ kind: "ask", check: name })) this.#release();
    });
    if (row !== undefined) return row;
    throw new CtdbxError("state", `Cannot look at ${name}: checks are not made any more`);
  }

  /** Has a check made, or no more; it is on the disk when this resolves. Throws CtdbxError "not_found", "io", ... */
  async enable(name: string, isOn: boolean, why?: string): Promise<ServiceRow> {
    const check = this.#check(name);
    const before = new Map(this.#disabled);
    if (isOn) this.#disabled.delete(name);
    else {
      const said = why === undefined ? {} : { why: fitText(why) };
      const wallMs = Math.round(this.#parts.world.clock.wallMs());
      this.#disabled.set(name, { name, ...said, wallMs });
    }
    try {
      await this.#file.write([...this.#disabled.values()]);
    } catch (error) {
      const old = before.get(name);
      if (old === undefined) this.#disabled.delete(name);
      else this.#disabled.set(name, old);
      throw error;
    }
    this.#actor.tell({ kind: isOn ? "enable" : "disable", check: name });
    return this.#row(check);
  }

  #check(name: string): CheckState {
    const check = this.#machine.checks.get(name);
    if (check !== undefined) return check;
    const known = [...this.#configs.keys()].join(", ");
    const there = known === "" ? "its configuration has no [[check]]" : `known are ${known}`;
    throw new CtdbxError("not_found", `Cannot find check ${fitText(name, 63)}: ${there}`);
  }

  #config(check: CheckState): CheckConfig {
    return this.#configs.get(check.rule.name) as CheckConfig;
  }

  #row(check: CheckState): ServiceRow {
    const why = this.#disabled.get(check.rule.name)?.why;
    return rowOf(this.#config(check), check, why, this.#parts.world.clock.nowMs());
  }

  #perform(effect: ChecksEffect): void {
    const check = this.#machine.checks.get(effect.check) as CheckState;
    switch (effect.kind) {
      case "run":
        return this.#look(check, effect.run);
      case "restart":
        return this.#restart(check, effect.run);
      case "kill":
        this.#running.get(effect.check)?.stop();
        this.#running.delete(effect.check);
        return;
      case "looked":
        this.#judge(check);
        return this.#answer(check);
      case "changed":
        return this.#onChange(check, effect.from);
      case "gave up":
        this.#parts.world.log.write(
          "error",
          `The service of check ${effect.check} is started anew no more`,
          { restarts: check.restartsRow, why: check.last?.why },
        );
        return this.#parts.tell(eventOf(this.#config(check), check, "gave up", check.status));
    }
  }

  #look(check: CheckState, run: number): void {
    const { name, timeoutMs } = check.rule;
    const probe = this.#parts.prober.start(name, this.#config(check).wish, timeoutMs);
    this.#running.set(name, probe);
    void probe.ended.then(({ level, why, tail }) => {
      if (this.#running.get(name) === probe) this.#running.delete(name);
      const words = why === undefined ? {} : { why: fitText(plainTail(why, TAIL_MAX)) };
      const said = tail === undefined ? {} : { tail: plainTail(tail, TAIL_MAX) };
      this.#actor.tell({ kind: "done", check: name, run, look: { level, ...words, ...said } });
    });
  }

  #restart(check: CheckState, run: number): void {
    const { name, restart } = check.rule;
    const { restart: command = [] } = this.#config(check);
    const { world, groups, tell } = this.#parts;
    const [program] = command;
    const about = { program, restarts: check.restartsRow, why: check.last?.why };
    world.log.write("warning", `The service of check ${name} is started anew`, about);
    tell(eventOf(this.#config(check), check, "restarting", check.status));
    const group: GroupRun = groups.run({
      command,
      timeoutMs: restart?.timeoutMs ?? 0,
      outputMax: TAIL_MAX,
      // What it starts is to stay.
      keepsBackground: true,
    });
    const running = { stop: () => group.kill() };
    this.#running.set(name, running);
    void group.ended.then(({ code, signal, isTimeout, output, fault }) => {
      if (this.#running.get(name) === running) this.#running.delete(name);
      const last = plainTail(output, TAIL_MAX).trim().split("\n").at(-1) ?? "";
      const said = last === "" ? "" : `: ${last}`;
      let why: string | undefined;
      if (fault !== undefined) why = fault.message;
      else if (isTimeout) {
        why = `no end within ${(restart?.timeoutMs ?? 0) / 1000} s: killed${said}`;
      } else if (code !== 0) why = `${signal ?? `exit code ${code}`}${said}`;
      const level = why === undefined ? "info" : "error";
      world.log.write(level, `The restart of check ${name} has ended`, { why: why ?? "done" });
      this.#actor.tell({
        kind: "restarted",
        check: name,
        run,
        why: why === undefined ? undefined : fitText(why),
      });
      tell(eventOf(this.#config(check), check, "restarted", check.status));
    });
  }

  #onChange(check: CheckState, from: CheckStatus): void {
    const { rule, status } = check;
    const { world, tell } = this.#parts;
    this.#judge(check);
    const why = whyOf(check);
    const level = status === "failed" ? "error" : status === "warning" ? "warning" : "info";
    const because = why === undefined || status === "ok" ? {} : { why };
    world.log.write(level, `Check ${rule.name} is ${status}, was ${from}`, because);
    tell(eventOf(this.#config(check), check, "changed", from));
  }

  /** What the check means for the node. */
  #judge(check: CheckState): void {
    const { status, last, rule } = check;
    if (!this.#config(check).isCritical) return;
    const ok = status !== "failed" && status !== "starting";
    const why = whyOf(check);
    this.#parts.health.set(`${CHECK_SOURCE}${rule.name}`, {
      ok,
      ...ok || why === undefined ? {} : { why },
      ...ok || last?.tail === undefined ? {} : { tail: last.tail },
    });
  }

  #answer(check: CheckState): void {
    const { name } = check.rule;
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    for (const resolve of waiting) resolve(this.#row(check));
  }

  #release(): void {
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const resolve of waiting) resolve(undefined);
  }

  /** The machine's own fault: nothing is known of the services any more, and that is no health. */
  #onFailure(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#parts.health.set("checks", { ok: false, why: `they have stopped: ${why}` });
    this.#release();
  }
}
