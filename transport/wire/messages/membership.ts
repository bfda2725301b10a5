/**
 * What a document says of those who are to come, who have gone, and who may use the bus. All of it since format 2.
 *
 *   invitation ──join──▶ node (joined) ──leave, or another replaces it──▶ gone
 *
 * A number, a name and an id are taken as soon as they are in an invitation; a number is never given again.
 *
 * Does NOT promise: that who holds an invitation is who was meant; whoever has its secret may join by it.
 */

import { diskId, flag, nodeId, oneOf, optional, record, tag, text, u32, u64 } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import type { Pnn, Version } from "../terms.ts";

/** Pnn in messages: below PNN_UNKNOWN. */
const PNN_MAX = 0xffff_fffe;

/** The schema of a pnn with its own words. */
export const pnn = (description: string) => u32<Pnn>(description, PNN_MAX);
/** The schema of a public nkey of a user: U and 55 base32 digits. */
export const natsKey = (description: string) => text(description, 56, "^U[A-Z2-7]{55}$");
/** The schema of a name that is given by command. */
export const givenName = (description: string) =>
  text(description, 63, "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$");
/** The schema of an invitation's id, which is its secret: 128 bits by chance. */
export const inviteId = (description: string) => text(description, 32, "^[0-9a-f]{32}$");

/** Somebody who may join. */
export const INVITATION = record("Invitation", "Somebody who may join, once, until it expires.", {
  inviteId: inviteId("Its secret: who says it may join."),
  name: text("The name of the node that will be."),
  pnn: pnn("Its number."),
  nodeId: nodeId("Its id, and so its tag in subjects."),
  natsKey: optional(natsKey("The public key by which the server knows it.")),
  voter: flag("Shall it vote?"),
  replaces: optional(pnn("The node that goes when this one is there.")),
  expiresWallMs: u64(
    "When it is over, by the wall clock of the node that is asked; ms since 1970.",
  ),
  madeVersion: u64<Version>("The document that it came with."),
});
/** Somebody who may join. */
export type Invitation = Shaped<typeof INVITATION>;

/** How a node came. */
export const JOINED = record("Joined", "The invitation that a node came by: it is used up.", {
  inviteId: inviteId("The invitation."),
  diskId: diskId("The disk that joined; another one with the same invitation is refused."),
});
/** How a node came. */
export type Joined = Shaped<typeof JOINED>;

/** Why a node goes. */
export const LEAVINGS = ["left", "replaced"] as const;
/** One of LEAVINGS. */
export type Leaving = (typeof LEAVINGS)[number];

/** Somebody who will not come back. */
export const GONE = record("Gone", "A node that has gone for good, so that it can be told.", {
  pnn: pnn("The number that it had."),
  nodeId: nodeId("Its id."),
  name: text("The name that it had."),
  natsKey: optional(natsKey("Its key: it may still hear that it has gone.")),
  why: oneOf("How it went.", LEAVINGS),
  version: u64<Version>("The first document without it."),
});
/** Somebody who will not come back. */
export type Gone = Shaped<typeof GONE>;

/** What a user of the bus that is no node may do. */
export const USER_ROLES = ["monitor", "client", "admin"] as const;
/** One of USER_ROLES. */
export type UserRole = (typeof USER_ROLES)[number];

/** Somebody who uses the bus and is no node. */
export const USER = record("User", "Somebody who uses the bus and is no node.", {
  role: oneOf("monitor hears events, client may ask, admin may ask for changes.", USER_ROLES),
  name: givenName("Its name."),
  natsKey: natsKey("The public key by which the server knows it."),
  tag: tag("Its sender in subjects."),
});
/** Somebody who uses the bus and is no node. */
export type User = Shaped<typeof USER>;
