/**
 * Operators of a simulated cluster who change who belongs to it, as scripts do: they ask until they have an end.
 *
 *   invite ─▶ join (by a host that nobody knows yet) ─▶ ...      leave, replace
 *   rolling restart      upgrade, finalize      uninvite, caps, users
 *   databases are attached, emptied, set and detached; all homes begin anew
 *
 * Each command is asked again and again, at any node that is up, under the same id, until it is done or refused; one
 * that has no end when everything has been quiet for a while is a fault.
 *
 * Does NOT promise: sense. They remove nodes that others invite, and take back what was used.
 */
import type { Dice } from "../../../transport/world.ts";
import type { Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand, Outcome } from "../../../transport/wire/messages/leader.ts";
import type { DbId, NodeId, Tag, Version } from "../../../transport/wire/terms.ts";
import { formatOf, isActive, nodeById } from "../cluster/document.ts";
import { levelFor } from "../cluster/format.ts";
import type { ClusterSim } from "./cluster_sim.ts";
import { nodeIdOf } from "./cluster_sim.ts";
import type { Host } from "./host.ts";

/** A command is asked again after this. */
const AGAIN_MS = 400;
/** Commands under way; operators wait while there are more. */
const ASKED_MAX = 12;
const LEVEL_NEW = 2;
const KEY = "U".padEnd(56, "A");

/** All of them. */
export class Operators {
  readonly #sim: ClusterSim;
  readonly #dice: Dice;
  #count = 0;
  /** Commands that have no end yet, as words. */
  readonly open = new Map<string, string>();
  /** Hosts that somebody brings in. */
  readonly #busy = new Set<Host>();
  /** How they ended, by verb. */
  readonly ends = new Map<string, number>();

  constructor(sim: ClusterSim) {
    this.#sim = sim;
    this.#dice = sim.dice;
  }

  /** One of them does something. */
  act(): void {
    const doc = this.#newest();
    if (doc === undefined || this.open.size >= ASKED_MAX) return;
    const node = doc.nodes[this.#dice.below(doc.nodes.length)] as DocumentNode;
    const why = "an operator wanted it";
    switch (this.#dice.below(18)) {
      case 0:
      case 1:
      case 2:
        return this.#bringIn(doc, undefined);
      case 3:
        return this.#bringIn(doc, node);
      case 4:
      case 5:
        return this.ask({ verb: "leave", pnn: node.pnn, why });
      case 6: {
        const by = doc.nodes[this.#dice.below(doc.nodes.length)] as DocumentNode;
        return this.ask({ verb: "replace", pnn: node.pnn, by: by.pnn, why });
      }
      case 7: {
        const [invitation] = doc.invitations ?? [];
        if (invitation === undefined) return;
        return this.ask({ verb: "uninvite", inviteId: invitation.inviteId });
      }
      case 8:
        return this.#roll(0);
      case 9:
        this.upgrade();
        return this.ask({ verb: "finalize", format: LEVEL_NEW });
      case 10: {
        const caps = this.#dice.chance(1, 2) ? ["leader", "lmaster"] : ["lmaster"];
        return this.ask({ verb: "caps", pnn: node.pnn, caps, why });
      }
      case 11:
        return this.#users();
      default:
        return this.#databases(doc);
    }
  }

  /** Databases come, go, are emptied, and all homes begin anew. */
  #databases(doc: Document): void {
    const why = "an operator wanted it";
    const number = this.#dice.below(4);
    const name = `db${number}`;
    const dbId = 100 + number as DbId;
    const known = doc.dbs.find((db) => db.dbId === dbId);
    // Some mean an epoch that is long over.
    const since = this.#dice.chance(1, 4) ? 1n as Version : known?.since ?? doc.version;
    switch (this.#dice.below(8)) {
      case 0:
        return this.ask({ verb: "db_detach", dbId, since, why });
      case 1:
      case 2:
        return this.ask({ verb: "db_wipe", dbId, since, why });
      case 3:
        return this.ask({ verb: "db_set", dbId, sticky: this.#dice.chance(1, 2) ? "on" : "off" });
      case 4:
        return this.ask({ verb: "rehome", generation: doc.generation, why });
      default:
        return this.ask({ verb: "db_attach", dbId, name, databaseKind: "volatile" });
    }
  }

  /** Every host that runs the older version gets the newer one, one after the other. */
  upgrade(): void {
    const old = this.#sim.hosts.filter(({ level }) => level < LEVEL_NEW);
    old.forEach((host, at) => this.#sim.after(at * 1500, () => this.#restart(host, LEVEL_NEW)));
  }

  /** A command is asked until it ends. */
  ask(command: LeaderCommand, onEnd: (outcome: Outcome) => void = () => {}): void {
    const { asked } = this.#sim;
    this.#count += 1;
    const verbId = this.#count.toString(16).padStart(32, "f");
    this.open.set(verbId, `${command.verb} ${JSON.stringify(command, bigintToText)}`);
    asked.set(verbId, (outcome) => {
      if (outcome !== "done" && outcome !== "refused") return;
      asked.delete(verbId);
      this.open.delete(verbId);
      const end = `${command.verb} ${outcome}`;
      this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
      onEnd(outcome);
    });
    const again = (): void => {
      if (!this.open.has(verbId)) return;
      const able = this.#sim.hosts.filter(({ isUp, level }) => isUp && level >= levelFor(command));
      able[this.#dice.below(Math.max(1, able.length))]?.feed({ kind: "command", verbId, command });
      this.#sim.after(AGAIN_MS, again);
    };
    again();
  }

  /** The newest document that was effective. */
  #newest(): Document | undefined {
    const version = this.#sim.checkers.effective.at(-1);
    return version === undefined ? undefined : this.#sim.checkers.docOf(version);
  }

  /** Somebody who is in no document is invited and joins, perhaps twice, perhaps too late. */
  #bringIn(doc: Document, replaces: DocumentNode | undefined): void {
    const taken = new Set([...doc.nodes, ...doc.invitations ?? []].map(({ nodeId }) => nodeId));
    const free = this.#sim.hosts.filter((one) => !taken.has(one.nodeId) && !this.#busy.has(one));
    const host = free[this.#dice.below(Math.max(1, free.length))];
    if (host === undefined) return;
    this.#count += 1;
    const number = this.#sim.hosts.length * this.#count + host.index;
    const id = nodeIdOf(0x1000 + number);
    this.#sim.reinstall(host, id, number.toString(16).padStart(32, "f"));
    host.level = LEVEL_NEW;
    const inviteId = number.toString(16).padStart(32, "0");
    const nowMs = Math.floor(this.#sim.nowMs);
    const name = this.#dice.chance(1, 8) ? doc.nodes[0]?.name ?? "n" : `m${number}`;
    const invite: LeaderCommand = {
      verb: "invite",
      inviteId,
      name,
      nodeId: id,
      voter: this.#dice.chance(3, 4),
      ...(replaces === undefined ? {} : { replaces: replaces.pnn }),
      expiresWallMs: BigInt(nowMs + (this.#dice.chance(1, 8) ? 1500 : 60_000)),
      atWallMs: BigInt(nowMs),
    };
    this.#busy.add(host);
    this.ask(invite, (outcome) => {
      if (outcome === "done") this.#join(host, id, inviteId);
      else this.#busy.delete(host);
    });
  }

  #join(host: Host, nodeId: NodeId, inviteId: string): void {
    const isTwice = this.#dice.chance(1, 6);
    const join = (diskId: string): void => {
      const addr = this.#dice.chance(1, 10) ? "n0:4222" : `h${host.index}:${inviteId.length}`;
      const atWallMs = BigInt(Math.floor(this.#sim.nowMs));
      const format = LEVEL_NEW;
      const onEnd = () => void this.#busy.delete(host);
      this.ask({ verb: "join", inviteId, nodeId, diskId, addr, format, atWallMs }, onEnd);
    };
    this.#sim.after(this.#dice.below(3000), () => {
      join(host.durable.diskId);
      host.start();
      if (isTwice) join("9".repeat(32));
    });
  }

  /** One host after the other is stopped in order, and started again. */
  #roll(at: number): void {
    const host = this.#sim.hosts[at];
    if (host === undefined) return;
    this.#restart(host, host.level);
    this.#sim.after(1500 + this.#dice.below(3000), () => this.#roll(at + 1));
  }

  /** A planned end, and a start with this version. */
  #restart(host: Host, level: number): void {
    host.feed({ kind: "stop" });
    const wait = (): void => {
      if (host.isUp) {
        // Somebody else may have started it meanwhile, as it was.
        if (host.level < level) host.feed({ kind: "stop" });
        return this.#sim.after(100, wait);
      }
      host.level = Math.max(host.level, level);
      host.start();
    };
    this.#sim.after(50, wait);
  }

  #users(): void {
    const number = this.#dice.below(3);
    const name = `u${number}`;
    if (this.#dice.chance(1, 2)) return this.ask({ verb: "user_remove", name });
    const natsKey = `${KEY.slice(0, 55)}${"ABC"[number]}`;
    const tag = "u".repeat(9) + "abc"[number] as Tag;
    this.ask({ verb: "user_add", user: { role: "client", name, natsKey, tag } });
  }

  /** Has a voter lost the disk with its vote? */
  #hasLost({ nodeId, diskId }: Document["voters"][number]): boolean {
    return diskId !== undefined && diskId !== this.#hostOf(nodeId)?.durable.diskId;
  }

  #hostOf(nodeId: NodeId): Host | undefined {
    return this.#sim.hosts.find((host) => host.nodeId === nodeId);
  }

  /** Judges the end: every command has one, nobody is half way, and all can be brought to the newer format. */
  judge(): void {
    const report = (text: string) => this.#sim.checkers.report(this.#sim.nowMs, "commands", text);
    const doc = this.#newest();
    // What waits for a vote whose disk is gone, or for a node that somebody stopped, may wait for ever.
    const isLost = doc?.voters.some((voter) => this.#hasLost(voter)) ?? false;
    for (const words of this.open.values()) {
      if (!isLost || !/^(?:leave|replace) /.test(words)) report(`no end of ${words}`);
    }
    if (doc === undefined) return;
    const isStopped = doc.nodes.some((node) => !isActive(node));
    for (const node of doc.nodes) {
      const { pnn, leaving, replaces } = node;
      if (leaving !== undefined && !isLost) report(`node ${pnn} is still leaving`);
      const isWaiting = replaces !== undefined && !isStopped && !isLost;
      if (isWaiting) report(`node ${pnn} has not taken the place of ${replaces}`);
    }
    // One that was added just before its machine was installed anew is nobody, and is waited for by the newer format.
    const isNobody = doc.nodes.some(({ nodeId }) => this.#hostOf(nodeId) === undefined);
    if (formatOf(doc) < LEVEL_NEW && !isNobody) report("the format is the old one");
    for (const { nodeId, index, isUp, durable } of this.#sim.hosts) {
      const isOut = doc.gone?.some((one) => one.nodeId === nodeId) ?? false;
      // One that knows none of those that are there cannot be told.
      const knows = durable.accepted?.nodes.some((one) => nodeById(doc, one.nodeId) !== undefined);
      if (isOut && isUp && knows === true) report(`node ${index} has gone and does not know it`);
      if (isOut && nodeById(doc, nodeId) !== undefined) report(`node ${index} is gone and there`);
    }
  }
}

function bigintToText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}
