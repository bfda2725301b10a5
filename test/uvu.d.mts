/**
 * Types of test/uvu.mjs.
 *
 * Does NOT promise: anything of its own.
 */
export { exec, suite } from "../node_modules/uvu/index.d.ts";
