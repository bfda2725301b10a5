/**
 * A message of a program, as it goes to the node.
 *
 * Does NOT promise: that the node accepts it.
 */
import type { PostBody, SendToKind } from "../../transport/wire/client/bodies.ts";
import { checkedSrvid, valueBytes } from "./ops.ts";
import type { SendTo, ValueLike } from "./types.ts";

/** What is posted. Throws RangeError on nobody, and on what is no srvid; "limit". */
export function postOf(to: SendTo, srvid: bigint, data: ValueLike): PostBody {
  checkedSrvid("send to", srvid);
  const isNode = typeof to === "number";
  const isKnown = isNode ? to >>> 0 === to : to === "all" || to === "connected";
  if (!isKnown) {
    const known = 'a node\'s number, "all" and "connected" are possible';
    throw new RangeError(`Cannot send to ${JSON.stringify(to)}: ${known}`);
  }
  const kind: SendToKind = isNode ? "node" : to;
  return { to: kind, pnn: typeof to === "number" ? to : 0, srvid, data: valueBytes(data) };
}
