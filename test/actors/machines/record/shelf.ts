/**
 * What a record machine on a table stands on: a store without a file, and a policy that does as it is told.
 *
 * Does NOT promise: bytes; and a policy that learns.
 */
import type { Head, Key, Stored } from "../../../../actors/machines/record/copy.ts";
import type { Policy } from "../../../../actors/machines/record/policy.ts";
import { CtdbxError } from "../../../../transport/wire/errors.ts";
import type { RecordStore } from "../../../../actors/machines/record/store.ts";

/** A store without a file. A test may hold its mutex, or leave it as a dead client does. */
export class Shelf implements RecordStore {
  readonly records = new Map<Key, Stored>();
  /** Keys whose mutex a client has. */
  readonly busy = new Set<Key>();
  /** Keys whose mutex a client died in. */
  readonly died = new Set<Key>();
  renewals = 0;
  /** Is there no room for new values? */
  isFull = false;
  trouble: CtdbxError | undefined;

  tryLock(key: Key): "had" | "died" | "busy" {
    if (this.busy.has(key)) return "busy";
    return this.died.delete(key) ? "died" : "had";
  }
  unlock(): void {}
  get(key: Key): Stored | undefined {
    return this.records.get(key);
  }
  head(key: Key): Head | undefined {
    return this.records.get(key);
  }
  put(key: Key, stored: Stored): void {
    const isNew = this.records.get(key)?.data !== stored.data && stored.data.length > 0;
    if (this.isFull && (isNew || !this.records.has(key))) {
      throw new CtdbxError("no_space", "Cannot store: the shelf is full");
    }
    this.records.set(key, stored);
  }
  drop(key: Key): void {
    this.records.delete(key);
  }
  renew(): void {
    this.records.clear();
    this.renewals += 1;
  }
}

/** A policy that does as it is told. */
export class Told implements Policy {
  read: "move" | "delegate" = "move";
  call: "move" | "ship" = "move";
  onRead = () => this.read;
  onCall = () => this.call;
  isSticky = () => false;
  onUsed = () => {};
  onVisit = () => {};
  onMovedIn = () => {};
  onMovedOut = () => {};
  /** Clients work with records in the file. */
  inFile = false;
  /** Copies to read that are taken back are asked for again. */
  again = false;
  isUsedInFile = () => this.inFile;
  onRevoked = () => this.again;
  onDelegated = () => {};
  onRefused = () => {
    this.read = "move";
  };
}
