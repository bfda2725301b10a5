/**
 * Where the nodes of test/netns serve.
 *
 * Does NOT promise: a free port elsewhere; their network is their own.
 */

/** Each node echoes there, at every address that it has. */
export const ECHO_PORT = 7000;
