/**
 * Between what a decoder gives and what a machine takes: whole numbers become bigint where the declaration says u64,
 * and numbers where it does not; fields that it does not name are dropped; and pooled lists are one by one in memory,
 * but short on the wire.
 *
 *   shape  { token: 7, x: 1 }  with { token: u64 }      ->  { token: 7n }
 *   pack   [a, b, a, a]        with a pooled list       ->  { pool: [a, b], at: <0 1 0 0 as u16, little endian> }
 *
 * Values of a wrong type stay as they are, for the check that follows. The result is made anew, so nothing of the
 * input, its prototype included, comes through. Equal items of a pooled list are one object in memory.
 *
 * Does NOT promise: that the result is right; the check says that.
 */

import type { TSchema } from "typebox";
import { isObject } from "./check.ts";
import type { SchemaNode } from "./schema.ts";

/** Makes a value of the declared shape, as far as it goes. Total. */
export type Shape = (value: unknown) => unknown;

/** Bytes of an index into a pool. */
export const INDEX_SIZE = 2;

/** The shape of a schema. */
export function shapeOf(schema: TSchema): Shape {
  return shapeOfNode(schema as SchemaNode);
}

function shapeOfNode(node: SchemaNode): Shape {
  if (node.anyOf !== undefined) return shapeOfUnion(node.anyOf);
  if (node.type === "bigint") return wholeToBigint;
  if (node.type === "integer" || node.type === "number") return bigintToWhole;
  if (node.type === "object") return shapeOfObject(node.properties ?? {});
  if (node.type === "array" && node.items !== undefined) {
    return node.pooled ? shapeOfPool(node.items, node.maxItems ?? 0) : shapeOfArray(node.items);
  }
  return (value) => value;
}

function wholeToBigint(value: unknown): unknown {
  return Number.isSafeInteger(value) ? BigInt(value as number) : value;
}

/** A decoder makes bigint of whole numbers that came in eight bytes. */
function bigintToWhole(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const whole = Number(value);
  return Number.isSafeInteger(whole) ? whole : value;
}

function shapeOfObject(properties: Readonly<Record<string, SchemaNode>>): Shape {
  const fields = Object.entries(properties).map(([name, node]) =>
    [name, shapeOfNode(node)] as const
  );
  return (value) => {
    if (!isObject(value)) return value;
    const made: Record<string, unknown> = {};
    for (const [name, shape] of fields) {
      if (!Object.hasOwn(value, name)) continue;
      const given = value[name];
      if (given !== undefined) made[name] = shape(given);
    }
    return made;
  };
}

function shapeOfArray(items: SchemaNode): Shape {
  const shape = shapeOfNode(items);
  return (value) => Array.isArray(value) ? value.map(shape) : value;
}

/** A list that came as a pool; a plain one is taken, too. */
function shapeOfPool(items: SchemaNode, countMax: number): Shape {
  const shape = shapeOfNode(items);
  const plain = shapeOfArray(items);
  return (value) => {
    if (!isObject(value)) return plain(value);
    const { pool, at } = value;
    if (!Array.isArray(pool) || !(at instanceof Uint8Array)) return value;
    const isTooLong = pool.length > countMax || at.length > countMax * INDEX_SIZE;
    if (isTooLong || at.length % INDEX_SIZE !== 0) return value;
    const made = pool.map(shape);
    const indexes = new DataView(at.buffer, at.byteOffset, at.length);
    return Array.from(
      { length: at.length / INDEX_SIZE },
      (_, i) => made[indexes.getUint16(i * INDEX_SIZE, true)],
    );
  };
}

/** The first record whose fixed words are those of the value; for plain values, the first that changes it. */
function shapeOfUnion(nodes: readonly SchemaNode[]): Shape {
  const choices = nodes.map((node) => ({
    words: Object.entries(node.properties ?? {}).filter(([, field]) => field.const !== undefined),
    isObject: node.type === "object",
    shape: shapeOfNode(node),
  }));
  return (value) => {
    if (!isObject(value)) {
      const plain = choices.find((choice) => !choice.isObject && choice.shape(value) !== value);
      return plain === undefined ? value : plain.shape(value);
    }
    const chosen = choices.find(({ words, isObject }) =>
      isObject &&
      words.every(([name, field]) => Object.hasOwn(value, name) && value[name] === field.const)
    );
    return chosen === undefined ? {} : chosen.shape(value);
  };
}

/** From a value of the declared shape to what is encoded; undefined: that is the value itself. */
export function packOf(schema: TSchema): Shape | undefined {
  return packOfNode(schema as SchemaNode);
}

function packOfNode(node: SchemaNode): Shape | undefined {
  if (node.type === "array" && node.items !== undefined && node.pooled) {
    return packOfPool(node.items);
  }
  if (node.type !== "object") return undefined;
  const fields = Object.entries(node.properties ?? {}).flatMap(([name, field]) => {
    const packField = packOfNode(field);
    return packField === undefined ? [] : [[name, packField] as const];
  });
  if (fields.length === 0) return undefined;
  return (value) => {
    const packed = { ...value as Record<string, unknown> };
    for (const [name, packField] of fields) {
      if (packed[name] !== undefined) packed[name] = packField(packed[name]);
    }
    return packed;
  };
}

/** A list as a pool of its different items. The caller has checked that it is a list of at most 2^16. */
function packOfPool(items: SchemaNode): Shape {
  const keyOf = keyOfNode(items);
  return (value) => {
    const list = value as readonly unknown[];
    const pool: unknown[] = [];
    const indexOf = new Map<string, number>();
    // Mostly it is the same few objects: then the text of each is made once.
    const known = new Map<unknown, number>();
    const at = new Uint8Array(list.length * INDEX_SIZE);
    const indexes = new DataView(at.buffer);
    for (const [i, item] of list.entries()) {
      let index = known.get(item);
      if (index === undefined) {
        const key = keyOf(item);
        index = indexOf.get(key) ?? pool.push(item) - 1;
        indexOf.set(key, index);
        known.set(item, index);
      }
      indexes.setUint16(i * INDEX_SIZE, index, true);
    }
    return { pool, at };
  };
}

/** Makes the same text of equal values of a node's shape, and only of those. */
function keyOfNode({ type, properties }: SchemaNode): (value: unknown) => string {
  if (type !== "object") return (value) => JSON.stringify(value, bigintToText) ?? "";
  const fields = Object.entries(properties ?? {}).map(([name, field]) =>
    [name, field.type === "bigint" || field.type === "integer" ? String : keyOfNode(field)] as const
  );
  return (value) => {
    let key = "";
    for (const [name, keyOfField] of fields) {
      const part = (value as Record<string, unknown>)[name];
      key += part === undefined ? ";" : `${keyOfField(part)},`;
    }
    return key;
  };
}

function bigintToText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}
