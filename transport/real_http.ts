/**
 * A few pages over HTTP, for programs that scrape: GET and HEAD of known paths, nothing else.
 *
 *   GET /metrics ─▶ page() ─▶ 200 text          another path 404        another method 405        page() throws 500
 *
 * A port that is taken is tried again: the process before may be ending. Of a request only its first line counts.
 *
 * Does NOT promise: secrecy; whoever reaches the port may read. It is no port for the open network.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock, Log } from "./world.ts";

/** One page as it is now. */
export interface Page {
  readonly status: number;
  /** Content-Type. */
  readonly type: string;
  readonly text: string;
}

/** What to serve, and where. */
export interface HttpOptions {
  /** host:port; a host of IPv6 in brackets. Port 0: any free one. */
  readonly listen: string;
  /** By path, without a query. */
  readonly pages: ReadonlyMap<string, () => Page | Promise<Page>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Connections at a time. */
const CLIENTS_MAX = 64;
/** A client has so long for its request, ms. */
const REQUEST_MS = 5000;
/** A taken port is tried again after this, ms. */
const AGAIN_MS = 2000;

/** Serves pages until it is closed. */
export class HttpPages {
  readonly #options: HttpOptions;
  readonly #listening = Promise.withResolvers<number>();
  #server: Server | undefined;
  #endWait: () => void = () => {};
  #isClosed = false;
  #hasSaid = false;

  /** Begins to listen at once. Throws RangeError on an address that is none. */
  constructor(options: HttpOptions) {
    this.#options = options;
    this.#listen(addressOf(options.listen));
  }

  /** Resolves with the port when it listens. */
  get listening(): Promise<number> {
    return this.#listening.promise;
  }

  /** Ends it, and what is connected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endWait();
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #listen(address: { readonly host: string; readonly port: number }): void {
    const { clock, log, listen } = this.#options;
    const server = createServer((request, response) => void this.#answer(request, response));
    server.maxConnections = CLIENTS_MAX;
    server.requestTimeout = REQUEST_MS;
    server.headersTimeout = REQUEST_MS;
    server.once("error", (error) => {
      if (!this.#hasSaid) {
        log.write("error", `No metrics at ${listen}: ${error.message}; it is tried again`);
      }
      this.#hasSaid = true;
      if (!this.#isClosed) this.#endWait = clock.after(AGAIN_MS, () => this.#listen(address));
    });
    server.listen(address.port, address.host, () => {
      this.#server = server;
      const bound = server.address();
      this.#listening.resolve(typeof bound === "object" && bound !== null ? bound.port : 0);
      log.write("info", `Metrics are served at ${listen}`);
      if (this.#isClosed) void this.close();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let page: Page;
    try {
      page = await this.#pageOf(request);
    } catch (error) {
      this.#options.log.write("error", "A page has failed", { url: request.url, error });
      page = plain(500, "it has failed; the log says why");
    }
    const body = new TextEncoder().encode(page.text);
    response.writeHead(page.status, {
      "content-type": page.type,
      "content-length": body.length,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  async #pageOf({ method, url = "" }: IncomingMessage): Promise<Page> {
    const page = this.#options.pages.get(url.split("?", 1)[0] ?? "");
    if (page === undefined) {
      return plain(404, `there are ${[...this.#options.pages.keys()].join(", ")}`);
    }
    if (method !== "GET" && method !== "HEAD") return plain(405, "only GET and HEAD");
    return await page();
  }
}

function plain(status: number, text: string): Page {
  return { status, type: "text/plain; charset=utf-8", text: `${text}\n` };
}

function addressOf(listen: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(listen);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65535) return { host, port };
  throw new RangeError(`Cannot listen: ${JSON.stringify(listen)} is no host:port`);
}
