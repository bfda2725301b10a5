/**
 * The founding of a cluster by its first node: what is found before, and the plan.
 *
 *   key ─▶ identity ─▶ state (the document before all others) ─▶ configuration ─▶ start ─▶ member ─▶ digest
 *
 * The ids that must be the same when it is run again stand in the journal.
 *
 * Does NOT promise: a server of NATS that outlives this machine.
 */

import { genesis } from "../../actors/machines/cluster/document.ts";
import type { LockConfig } from "../../actors/node_config.ts";
import { id128 } from "../../actors/storage/node_identity.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { isQuotable } from "../../transport/nats_config.ts";
import { newNkey, publicKeyOf, readSecret } from "../../transport/real_nkeys.ts";
import { LEVEL } from "../../transport/wire/level.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import { EXIT } from "../exit_codes.ts";
import { oneLine } from "../output.ts";
import { Failure } from "../failure.ts";
import type { Check, HomeFound } from "./checks.ts";
import { judgeCreate } from "./checks.ts";
import type { ServerPlan } from "./config_text.ts";
import type { Journal } from "./journal.ts";
import { daemonSteps, type Digest, fileSteps } from "./join_plan.ts";
import type { NodeFiles } from "./node_files.ts";
import { textOf } from "./node_files.ts";
import { type NodePlan, nodePort } from "./node_port.ts";
import type { Step } from "./steps.ts";

/** A first leader is chosen within this, ms, or something is wrong: a server that begins with JetStream needs some. */
const LEAD_MS = 40_000;

/** What the command line says. */
export interface CreateOptions {
  readonly files: NodeFiles;
  readonly words: readonly string[];
  readonly cluster: string;
  readonly name: string;
  readonly addr: string;
  readonly lock: LockConfig;
  /** A server of its own; undefined: others are used. */
  readonly server: ServerPlan | undefined;
  /** host:port of NATS. */
  readonly servers: readonly string[];
  /** A key or credentials for servers of the operator's own, absolute path. */
  readonly keyFile: string | undefined;
  /** Path of certificates that vouch for the servers. */
  readonly ca: string | undefined;
  readonly chaos: boolean;
  readonly start: boolean;
}

/** One founding. */
export class Creation {
  readonly #options: CreateOptions;
  #journal: Journal | undefined;
  readonly #ids: { readonly clusterId: string; readonly nodeId: string; readonly diskId: string };

  /** Throws Failure (conflict) when another cluster was begun there, or this one was finished. */
  constructor(options: CreateOptions) {
    this.#options = options;
    const journal = options.files.journal("create");
    if (journal !== undefined) refuseOther(journal, options);
    this.#journal = journal;
    const dice = new RealDice();
    const kept = (name: string): string => {
      const value = journal?.head[name];
      return typeof value === "string" ? value : id128(dice);
    };
    this.#ids = {
      clusterId: kept("clusterId"),
      nodeId: kept("nodeId"),
      diskId: kept("diskId"),
    };
  }

  get clusterId(): string {
    return this.#ids.clusterId;
  }

  /** Its journal, which is begun with the first call. */
  journal(): Journal {
    const { files, cluster, name } = this.#options;
    return this.#journal ??= files.beginJournal("create", { cluster, name, ...this.#ids });
  }

  /** What is found where it shall be. */
  checks(): Check[] {
    const { files, cluster, start, server } = this.#options;
    const isFinished = this.#journal?.has(start ? "digest" : "configuration") ?? false;
    const home: HomeFound = isFinished
      ? {
        is: "other",
        text: `the cluster ${cluster} was made in ${files.paths.state} already`,
        hint: "`ctdbx daemon start` starts its node; --home chooses another place",
      }
      : server !== undefined && !isQuotable(files.paths.state + files.paths.run)
      ? {
        is: "other",
        text: `its nats-server cannot have its files in ${oneLine(files.paths.state)}: ` +
          "quotes, $, \\ and control characters mean something else in its configuration",
        hint: "choose another place with --home",
        exit: EXIT.usage,
      }
      : files.found(this.#journal);
    return judgeCreate({
      home,
      folder: files.paths.state,
      freeBytes: files.freeBytes(),
    });
  }

  /** The plan. `keep` gets the last digests. */
  steps(keep: (digests: readonly Digest[]) => void): Step[] {
    const { name, start, files } = this.#options;
    const port = nodePort(this.#plan());
    const daemon = daemonSteps(port, { name, voter: true, memberMs: LEAD_MS }, keep);
    return [...fileSteps(port, { folder: files.paths.state, name }), ...start ? daemon : []];
  }

  #plan(): NodePlan {
    const { files, words, cluster, name, lock, server, servers, chaos } = this.#options;
    const { keyFile, ca } = this.#options;
    const own = keyFile === undefined && server !== undefined ? this.#ownSeed() : undefined;
    return {
      files,
      words,
      cluster,
      clusterId: this.#ids.clusterId as ClusterId,
      name,
      nodeId: this.#ids.nodeId as NodeId,
      diskId: this.#ids.diskId,
      seed: own,
      ca: ca === undefined ? undefined : certificatesIn(ca),
      genesis: () => this.#genesis(),
      config: {
        cluster,
        name,
        servers,
        keyFile: own === undefined ? keyFile : files.key,
        isCreds: keyFile !== undefined && readSecret(keyFile).kind === "creds",
        ca: ca === undefined ? undefined : files.ca,
        lock,
        server,
        chaos,
      },
      command: "cluster create",
    };
  }

  /** The key of a node with a server of its own: the one that is there, or a new one. */
  #ownSeed(): string {
    const { files } = this.#options;
    if (textOf(files.key) === undefined) return newNkey().seed;
    const secret = readSecret(files.key);
    return secret.kind === "nkey" ? secret.seed : newNkey().seed;
  }

  /** The document before all others: this node alone, with its vote. Its key is in its file already. */
  #genesis(): Document {
    const { name, addr } = this.#options;
    const natsKey = this.#publicKey();
    return genesis({
      clusterId: this.#ids.clusterId as ClusterId,
      format: LEVEL,
      nodes: [{
        nodeId: this.#ids.nodeId as NodeId,
        name,
        addr,
        isVoter: true,
        ...natsKey === undefined ? {} : { natsKey },
      }],
    });
  }

  #publicKey(): string | undefined {
    const { files, keyFile, server } = this.#options;
    const path = keyFile ?? (server === undefined ? undefined : files.key);
    if (path === undefined) return undefined;
    const secret = readSecret(path);
    return secret.kind === "nkey" ? publicKeyOf(secret.seed) : undefined;
  }
}

function refuseOther({ head }: Journal, { files, cluster, name }: CreateOptions): void {
  if (head["cluster"] === cluster && head["name"] === name) return;
  throw new Failure(
    EXIT.conflict,
    `Cannot create ${cluster}: the cluster ${head["cluster"]} with the node ${head["name"]} was ` +
      `begun in ${files.paths.state}`,
    "choose another place with --home, or finish that one with its own names",
  );
}

function certificatesIn(path: string): string {
  const text = textOf(path);
  if (text !== undefined && /^-----BEGIN (?:TRUSTED )?CERTIFICATE-----/m.test(text)) return text;
  const why = text === undefined ? "there is no such file" : "it holds no certificate (PEM)";
  throw new Failure(EXIT.usage, `Cannot use ${path}: ${why}`);
}
