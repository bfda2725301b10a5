/**
 * What others copy from this node's database: a snapshot for each, held still until they have it.
 *
 *   sync_open ─▶ snapshot, session table ─▶ sync_opened     sync_ask ─▶ sync_part ...     sync_close, silence ─▶ closed
 *
 * Does NOT promise: a snapshot for many at once; beyond SOURCES_MAX they are told to come again.
 */
import type { SyncAsk, SyncMessage, SyncNo } from "../../transport/wire/messages/commit_sync.ts";
import type { SyncOpen, SyncOpened, SyncPart } from "../../transport/wire/messages/commit_sync.ts";
import { SYNC_PAGE, SYNC_PART_BYTES, SYNC_SUM } from "../../transport/wire/messages/commit_sync.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { writeSessions } from "../machines/commit/session_table.ts";
import type { CommitSnapshot } from "../storage/commit_snapshot.ts";
import type { CommitDisk } from "./commit_disk.ts";
import type { CopyingParts } from "./commit_copying.ts";
import { appliedOf, sessionsAt } from "./commit_opened.ts";

/** Copies that others make of one database at once. */
const SOURCES_MAX = 4;
/** Who asks for nothing so long is forgotten, ms. */
const IDLE_MS = 30_000;

interface Source {
  readonly opened: SyncOpened;
  readonly snapshot: CommitSnapshot;
  readonly table: Uint8Array;
  cancel: () => void;
}

/** Those of one database. */
export class CommitSources {
  readonly #parts: Pick<CopyingParts, "clock" | "disk" | "lineage" | "send">;
  readonly #open = new Map<string, Source>();

  constructor(parts: Pick<CopyingParts, "clock" | "disk" | "lineage" | "send">) {
    this.#parts = parts;
  }

  /** Takes a question of another node. */
  take(from: Pnn, message: SyncMessage): void {
    switch (message.kind) {
      case "sync_open":
        return this.#onOpen(from, message);
      case "sync_ask":
        return this.#onAsk(from, message);
      case "sync_close":
        return this.#close(nameOf(from, message.id));
      default:
        return;
    }
  }

  #onOpen(from: Pnn, ask: SyncOpen): void {
    const answer = (what: SyncOpened | SyncNo["why"]): void =>
      this.#parts.send(
        from,
        typeof what === "string" ? { kind: "sync_no", id: ask.id, why: what } : what,
      );
    const known = this.#open.get(nameOf(from, ask.id));
    if (known !== undefined) return answer(known.opened);
    const disk = this.#parts.disk();
    if (disk === undefined) return answer("gone");
    disk.atRest(() => this.#open.get(nameOf(from, ask.id))?.opened ?? this.#hold(disk, from, ask))
      .then(answer, () => answer("busy"));
  }

  #hold(disk: CommitDisk, from: Pnn, ask: SyncOpen): SyncOpened | SyncNo["why"] {
    const { id, lineage, above } = ask;
    if (disk !== this.#parts.disk()) return "gone";
    if (this.#parts.lineage() !== lineage) return "lineage";
    if (this.#open.size >= SOURCES_MAX) return "busy";
    try {
      const { file, store } = disk;
      const place = appliedOf(store);
      if (place.seq <= above) return "behind";
      const table = writeSessions(sessionsAt(store, place).snapshot());
      const snapshot = file.snapshot();
      const { seq, chain, dbseq, term: placeTerm } = place;
      const { fileBytes, areaStart, areaCapacity, intentPages } = snapshot.shape;
      const opened: SyncOpened = {
        ...{ kind: "sync_opened", id, lineage, seq, chain, dbseq, placeTerm },
        ...{ fileBytes, areaStart, areaCapacity, intentPages, tableBytes: table.length },
      };
      const source = { opened, snapshot, table, cancel: () => {} };
      this.#open.set(nameOf(from, id), source);
      this.#keep(nameOf(from, id), source);
      return opened;
    } catch {
      // A damaged page, or a copy that is just exchanged: another node has it, too.
      return "busy";
    }
  }

  #keep(name: string, source: Source): void {
    source.cancel();
    source.cancel = this.#parts.clock.after(IDLE_MS, () => this.#close(name));
  }

  #onAsk(from: Pnn, { id, what, ranges }: SyncAsk): void {
    const name = nameOf(from, id);
    const source = this.#open.get(name);
    const { send } = this.#parts;
    if (source === undefined) return send(from, { kind: "sync_no", id, why: "gone" });
    this.#keep(name, source);
    try {
      for (const range of ranges) {
        const data = dataOf(source, what, range.from, range.count);
        if (data !== undefined) send(from, partOf(id, what, range.from, data));
      }
    } catch {
      this.#close(name);
      send(from, { kind: "sync_no", id, why: "lost" });
    }
  }

  #close(name: string): void {
    const source = this.#open.get(name);
    if (source === undefined) return;
    this.#open.delete(name);
    source.cancel();
    source.snapshot.close();
  }

  /** The file goes, or is exchanged. */
  end(): void {
    for (const name of [...this.#open.keys()]) this.#close(name);
  }
}

function nameOf(from: Pnn, id: number): string {
  return `${from} ${id}`;
}

function partOf(id: number, what: SyncAsk["what"], from: number, data: Uint8Array): SyncPart {
  return { kind: "sync_part", id, what, from, data };
}

/** A range; undefined: there is none of that. Throws when the snapshot cannot be read any more. */
function dataOf(
  { snapshot, table }: Source,
  what: SyncAsk["what"],
  from: number,
  count: number,
): Uint8Array | undefined {
  if (what === "table") {
    return from + count <= table.length ? table.slice(from, from + count) : undefined;
  }
  const unit = what === "sums" ? SYNC_SUM : SYNC_PAGE;
  if (from + count > snapshot.pages || count * unit > SYNC_PART_BYTES) return undefined;
  const data = new Uint8Array(count * unit);
  const view = new DataView(data.buffer);
  for (let i = 0; i < count; i++) {
    if (what === "pages") data.set(snapshot.page(from + i), i * unit);
    else {
      const { sum, dbseq } = snapshot.entry(from + i);
      data.set(sum, i * unit);
      view.setBigUint64(i * unit + sum.length, dbseq, true);
    }
  }
  return data;
}
