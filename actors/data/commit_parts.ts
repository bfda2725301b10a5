/**
 * What one persistent or replicated database at a node needs of those around it.
 *
 * Does NOT promise: anything; these are the forms.
 */
import type { AnyCommitMessage } from "../../transport/wire/messages/commit.ts";
import type { Member } from "../../transport/wire/messages/document.ts";
import type { NodeId, Pnn, Token } from "../../transport/wire/terms.ts";
import type { Clock, Log } from "../../transport/world.ts";
import type { CommitTiming } from "../machines/commit/tunables.ts";
import type { CommitDatabase } from "./commit_database.ts";
import type { CommitDiskParts } from "./commit_disk.ts";

/** Who leads, as far as this node knows. */
export interface CommitLeader {
  readonly pnn: Pnn;
  readonly token: Token;
}

/** What a database needs. */
export interface CommitDatabaseParts {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: CommitTiming;
  readonly disk: Omit<CommitDiskParts, "onEvent" | "onDamage" | "onFailure">;
  readonly nameOf: (pnn: Pnn) => string;
  /** Moves the files, which are closed, out of the way; answers where they are. Throws "io". */
  readonly setAside: () => string;
  /** For people. */
  readonly tell: (database: CommitDatabase, what: "damaged" | "mended", text: string) => void;
  readonly send: (
    database: CommitDatabase,
    by: Member,
    to: Pnn,
    messages: readonly AnyCommitMessage[],
  ) => void;
  /** The storage is about to be opened, in a new life. */
  readonly beforeOpen: () => void;
  /** It can be used from now on, or is known to be of no use. Told once. */
  readonly onCame: (database: CommitDatabase) => void;
}
