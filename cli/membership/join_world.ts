/**
 * A join as it is in the world: what is found before, and the port of its plan.
 *
 *   facts: home, space, NATS, the cluster's own word ─▶ checks.ts        port ─▶ join_plan.ts
 *
 * Does NOT promise: that the cluster says the same a moment later.
 */

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id128 } from "../../actors/storage/node_identity.ts";
import { RealDice } from "../../transport/real_dice.ts";
import type { BusLogin } from "../../transport/real_nats_login.ts";
import { LEVEL } from "../../transport/wire/level.ts";
import { Failure } from "../failure.ts";
import type { JoinFacts, PreflightAnswer } from "./checks.ts";
import { type Invitation, markOf } from "./invitation.ts";
import type { Journal } from "./journal.ts";
import type { JoinPort } from "./join_plan.ts";
import type { NodeFiles } from "./node_files.ts";
import { nodePort } from "./node_port.ts";
import { Stranger, type Timed } from "./stranger.ts";

/** What the command line says. */
export interface JoinOptions {
  readonly files: NodeFiles;
  /** The words that name the node to other commands. */
  readonly words: readonly string[];
  readonly invitation: Invitation;
  /** Its address, when the invitation has none. */
  readonly addr: string;
  /** Other servers than the invitation's. */
  readonly servers: readonly string[];
  /** Credentials of an operator's own system, absolute path. */
  readonly creds: string | undefined;
}

/** One join. */
export class Join {
  readonly #options: JoinOptions;
  #journal: Journal | undefined;
  #stranger: Stranger | undefined;
  /** A folder for certificates, while there is no home for them. */
  #folder: string | undefined;
  readonly #diskId: string;

  constructor(options: JoinOptions) {
    this.#options = options;
    const { files, invitation } = options;
    const journal = files.journal("join");
    // The journal of another invitation is another's work.
    this.#journal = journal?.head["mark"] === markOf(invitation) ? journal : undefined;
    const kept = this.#journal?.head["diskId"];
    this.#diskId = typeof kept === "string" ? kept : id128(new RealDice());
  }

  /** Its journal, which is begun with the first call. */
  journal(): Journal {
    const { files, invitation, addr } = this.#options;
    return this.#journal ??= files.beginJournal("join", {
      mark: markOf(invitation),
      cluster: invitation.cluster,
      clusterId: invitation.clusterId,
      name: invitation.name,
      nodeId: invitation.nodeId,
      diskId: this.#diskId,
      addr,
    });
  }

  /** The address that it has, or shall have: one that it has begun with stays. */
  get addr(): string {
    const kept = this.#journal?.head["addr"];
    return typeof kept === "string" ? kept : this.#options.addr;
  }

  /** Looks at everything before anything is done. Throws Failure (usage) on servers that are none. */
  async facts(): Promise<JoinFacts> {
    const { files, invitation } = this.#options;
    const connection = await this.#connect();
    const base = {
      invitation,
      formatMax: LEVEL,
      home: files.found(this.#journal),
      folder: files.paths.state,
      freeBytes: files.freeBytes(),
      nowWallMs: Date.now(),
    };
    if (typeof connection === "string") {
      return { ...base, natsTrouble: connection, ...NOTHING };
    }
    try {
      const { ok, sentWallMs, cameWallMs } = await this.#preflight(connection);
      const answer = ok as PreflightAnswer;
      const skewMs = (sentWallMs + cameWallMs) / 2 - Number(answer.wallMs);
      return { ...base, natsTrouble: undefined, answer, answerTrouble: undefined, skewMs };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { ...base, natsTrouble: undefined, ...NOTHING, answerTrouble: error.message };
    }
  }

  /** The port of the plan. */
  port(): JoinPort {
    const { files, words, invitation } = this.#options;
    const { cluster, clusterId, name, nodeId, seed, ca, seeds, lock } = invitation;
    const { creds } = this.#options;
    const keyFile = creds ?? (seed === null ? undefined : files.key);
    const own = nodePort({
      files,
      words,
      cluster,
      clusterId,
      name,
      nodeId,
      diskId: this.#diskId,
      seeds: seeds.map((each) => each.nodeId),
      seed: creds === undefined && seed !== null ? seed : undefined,
      ca: ca ?? undefined,
      config: {
        cluster,
        name,
        servers: this.#servers,
        keyFile,
        isCreds: creds !== undefined,
        ca: ca === null ? undefined : files.ca,
        lock,
      },
      command: "cluster join",
    });
    return { ...own, isJoined: () => this.#isJoined(), join: () => this.#ask() };
  }

  async close(): Promise<void> {
    await this.#stranger?.close();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  #caFile(ca: string): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), "ctdbx-join-"));
    const path = join(this.#folder, "ca.pem");
    writeFileSync(path, ca, { mode: 0o600 });
    return path;
  }

  get #servers(): readonly string[] {
    const { servers, invitation } = this.#options;
    return servers.length > 0 ? servers : invitation.servers;
  }

  async #connect(): Promise<Stranger | string> {
    if (this.#stranger !== undefined) return this.#stranger;
    const { invitation, creds } = this.#options;
    const { cluster, nodeId, seed, seeds, ca } = invitation;
    const login: BusLogin = {
      ...creds === undefined ? (seed === null ? {} : { seed }) : { keyFile: creds },
      ...ca === null ? {} : { tls: { ca: this.#caFile(ca) } },
    };
    const connection = await Stranger.connect({
      cluster,
      own: nodeId,
      servers: this.#servers,
      login,
      seeds: seeds.map((each) => each.nodeId),
    });
    if (typeof connection !== "string") this.#stranger = connection;
    return connection;
  }

  get #args(): Record<string, unknown> {
    const { inviteId, nodeId, clusterId } = this.#options.invitation;
    const diskId = this.#diskId;
    return { inviteId, nodeId, clusterId, diskId, addr: this.addr, format: LEVEL };
  }

  #preflight(connection: Stranger): Promise<Timed> {
    return connection.look("cluster preflight", this.#args);
  }

  async #connected(): Promise<Stranger> {
    const connection = await this.#connect();
    if (typeof connection !== "string") return connection;
    throw new Failure(
      1,
      `Cannot reach NATS: ${connection}`,
      "run the command again when it is there",
    );
  }

  async #isJoined(): Promise<boolean> {
    const { ok } = await this.#preflight(await this.#connected());
    return (ok as PreflightAnswer).invitation === "mine";
  }

  async #ask(): Promise<void> {
    const verbId = joinVerbId(this.#options.invitation.inviteId, this.#diskId);
    const connection = await this.#connected();
    await connection.ask("cluster join", { ...this.#args, verbId });
  }
}

/**
 * The id of one machine's join, 32 hex digits: the same in each repetition, also after a kill, so that what was done is
 * answered as done; another one for another disk, or who comes second is told of the first one's join that it is done.
 */
export function joinVerbId(inviteId: string, diskId: string): string {
  return createHash("sha256").update(`join ${inviteId} ${diskId}`).digest("hex").slice(0, 32);
}

const NOTHING = { answer: undefined, answerTrouble: undefined, skewMs: undefined };
