/**
 * Telling somebody outside of the cluster: a program, or a server. A port; real_courier.ts does it on this machine.
 *
 *   run(command, env)  exit code 0: told          post(url, body)  status 200 to 299: told
 *
 * Does NOT promise: that it was told once; an answer that is lost is no answer.
 */

/** What came of it. */
export interface Delivery {
  /** Why it was not told, a phrase; undefined: it was. */
  readonly why?: string;
  /** To try it again would come to the same. */
  readonly isFinal: boolean;
}

/** Who tells. Neither rejects; both resolve within the time-out and a second. */
export interface Courier {
  /** Runs a program, with variables beside those of this process. */
  run(
    command: readonly string[],
    env: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<Delivery>;
  /** Posts a text of JSON. */
  post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    timeoutMs: number,
  ): Promise<Delivery>;
}
