/**
 * Names of resources: what programs share among the nodes, as nodes share public addresses.
 *
 *   worker-7, worker-8      a pool: names that differ only in the digits at their end
 *
 * Does NOT promise: that somebody offers a resource of that name.
 */

declare const brand: unique symbol;

/** The name of a resource: 1 to 64 of A-Z a-z 0-9 . _ : / - */
export type ResourceName = string & { readonly [brand]: "ResourceName" };

/** Longest name, characters. */
export const RESOURCE_NAME_MAX = 64;
/** What a name looks like; anchored at both ends. */
export const RESOURCE_NAME = "^[A-Za-z0-9._:/-]{1,64}$";
/** Resources of a cluster, and those that the programs of one node offer. */
export const RESOURCES_MAX = 4096;

const NAME = new RegExp(RESOURCE_NAME);

/** The name that a text is. Throws SyntaxError, which says what a name looks like. */
export function resourceName(text: unknown): ResourceName {
  if (typeof text === "string" && NAME.test(text)) return text as ResourceName;
  const is = typeof text === "string" ? JSON.stringify(text.slice(0, 80)) : `a ${typeof text}`;
  const form = `1 to ${RESOURCE_NAME_MAX} of A-Z a-z 0-9 . _ : / - make its name`;
  throw new SyntaxError(`Cannot use resource ${is}: ${form}`);
}

/** The pool of a resource: its name without the digits at the end. */
export function poolOf(name: ResourceName): string {
  return name.replace(/[0-9]+$/, "");
}
