// @ts-self-types="./uvu.d.mts"
/**
 * The real uvu, by path: its name leads to test/suite.ts (deno.json, tsconfig.json).
 *
 * Does NOT promise: anything of its own.
 */
export { exec, suite } from "../node_modules/uvu/dist/index.mjs";
