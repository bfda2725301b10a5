/**
 * Packets that go nowhere, and TCP connections that are only a list.
 *
 * Does NOT promise: that anybody answers what is sent; who tests that looks at `frames` and `packets`.
 */
import type { LinkAddress, Packets, ResetCount, TcpTable } from "../packets.ts";
import type { IpAddress } from "../wire/address.ts";
import { CtdbxError } from "../wire/errors.ts";
import { type Connection, connectionKey } from "../wire/raw/endpoint.ts";

/** One machine's. */
export class SimPackets implements Packets {
  isRoot = true;
  /** So many more are taken before the queue is full. */
  room = Infinity;
  /** What was sent, the newest last. */
  readonly frames: { readonly index: number; readonly frame: Uint8Array }[] = [];
  readonly packets: { readonly to: IpAddress; readonly packet: Uint8Array }[] = [];
  readonly #links = new Map<string, LinkAddress>();

  /** Makes an interface; its MAC ends with its number. */
  setLink(name: string): void {
    const index = this.#links.size + 2;
    this.#links.set(name, { index, mac: new Uint8Array([2, 0, 0, 0, 0, index]) });
  }

  requireRights(): void {
    if (!this.isRoot) throw new CtdbxError("denied", "Cannot send raw packets: not root");
  }

  linkOf(name: string): LinkAddress | undefined {
    return this.#links.get(name);
  }

  sendFrame({ index }: LinkAddress, frame: Uint8Array): void {
    this.#take();
    this.frames.push({ index, frame });
  }

  sendPacket(to: IpAddress, packet: Uint8Array): void {
    this.#take();
    this.packets.push({ to, packet });
  }

  close(): void {}

  #take(): void {
    this.requireRights();
    if (this.room <= 0) throw new CtdbxError("busy", "Cannot send: the queue is full");
    this.room -= 1;
  }
}

/** One machine's. */
export class SimTcpTable implements TcpTable {
  /** Thrown by each call; undefined: it works. */
  fault: CtdbxError | undefined;
  /** Addresses whose connections were reset, the newest last. */
  readonly resets: IpAddress[] = [];
  /** So often was it asked for connections. */
  looks = 0;
  readonly #connections = new Map<string, Connection>();

  add(...connections: readonly Connection[]): void {
    for (const one of connections) this.#connections.set(connectionKey(one), one);
  }

  delete(connection: Connection): void {
    this.#connections.delete(connectionKey(connection));
  }

  established(local: ReadonlySet<IpAddress>, most: number): Promise<Connection[]> {
    this.looks += 1;
    if (this.fault !== undefined) return Promise.reject(this.fault);
    const all = [...this.#connections.values()];
    return Promise.resolve(all.filter(({ server }) => local.has(server.address)).slice(0, most));
  }

  reset(local: IpAddress): Promise<ResetCount> {
    if (this.fault !== undefined) return Promise.reject(this.fault);
    this.resets.push(local);
    const gone = [...this.#connections.values()].filter(({ server }) => server.address === local);
    for (const connection of gone) this.delete(connection);
    return Promise.resolve({ ended: gone.length, isAll: true });
  }
}
