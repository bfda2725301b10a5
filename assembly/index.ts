/**
 * Everything the WebAssembly core exports. Pure functions over raw addresses of the thread's one
 * Memory: no runtime, no allocation; assembly/host/kernels.ts binds them and documents each export.
 *
 * Does NOT promise: any check of addresses. A wrong one reads or overwrites whatever lies there, or
 * traps.
 */

export * from "./hash";
export * from "./checksum";
export * from "./md5";
export * from "./lcp2";
export * from "./tdb";
export * from "./tdb_check";
export * from "./tdb_rescue";
export * from "./tdb_free_sizes";
export * from "./tdb_records";

/**
 * First byte after the statics of all kernels; the host checks that it lies below its scratch area.
 */
export function staticsEnd(): usize {
  return __heap_base;
}
