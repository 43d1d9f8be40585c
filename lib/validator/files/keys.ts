import { resourceTypes } from "../../http/fhir-paths.ts";

/**
 * Names of resources in eight bytes: 56 bits of a hash of the id and 8 bits for the type. A million of them take eight
 * megabytes where strings would take a hundred; two of a million fall together once in a hundred thousand exports.
 */
export type Keys = BigUint64Array<ArrayBuffer>;

const NUMBERS = new Map(resourceTypes.map((type, index) => [type, index + 1]));

/** The number of a resource type; 0 for an unknown one. */
export function typeNumber(type: string): number {
  return NUMBERS.get(type) ?? 0;
}

/** The resource type of a key; undefined for an unknown one. */
export function typeOfKey(key: bigint): string | undefined {
  return resourceTypes[Number(key & 0xffn) - 1];
}

/** The same key for another type. */
export function keyAs(key: bigint, type: string): bigint {
  return (key & ~0xffn) | BigInt(typeNumber(type));
}

/** Keys gathered one by one. */
export interface KeyList {
  readonly size: number;
  add(type: string, id: string): void;
  /** As `add` for a key whose type byte is that of another type. */
  addAs(type: string, id: string, as: string): void;
  addAll(keys: Keys): void;
  /** Sorts; with `unique` each key stays once. */
  settle(unique: "unique" | "all"): void;
  /** The keys, in memory of their own. */
  take(): Keys;
  /** How often a key is there; after `settle`. */
  count(key: bigint): number;
  /** All keys, in order after `settle`. */
  view(): Keys;
}

const pair = new Uint32Array(2);

/** Two independent 32-bit hashes of a text (multiply and rotate over its UTF-16 units). */
function hash(type: string, id: string): void {
  let first = 0xdeadbeef ^ id.length;
  let second = 0x41c6ce57 ^ typeNumber(type);
  for (let index = 0; index < id.length; index += 1) {
    const unit = id.charCodeAt(index);
    first = Math.imul(first ^ unit, 2654435761);
    second = Math.imul(second ^ unit, 1597334677);
    first = (first << 13) | (first >>> 19);
    second = (second << 17) | (second >>> 15);
  }
  first = Math.imul(first ^ (first >>> 16), 2246822507) ^ Math.imul(second ^ (second >>> 13), 3266489909);
  second = Math.imul(second ^ (second >>> 16), 2246822507) ^ Math.imul(first ^ (first >>> 13), 3266489909);
  pair[0] = first;
  pair[1] = second;
}

/** The key of one resource. */
export function keyOf(type: string, id: string): bigint {
  hash(type, id);
  return (
    (BigInt(pair[1] ?? 0) << 32n) | BigInt(((pair[0] ?? 0) & 0xffffff00) >>> 0) | BigInt(typeNumber(type))
  );
}

/** An empty list. */
export function createKeys(): KeyList {
  let keys = new BigUint64Array(256);
  let halves = new Uint32Array(keys.buffer);
  let size = 0;
  const reserve = (more: number): void => {
    if (size + more <= keys.length) return;
    const larger = new BigUint64Array(Math.max(keys.length * 1.5, size + more) | 0);
    larger.set(keys.subarray(0, size));
    keys = larger;
    halves = new Uint32Array(keys.buffer);
  };
  const push = (number: number): void => {
    reserve(1);
    // Little-endian, as every machine that runs this is.
    halves[size * 2] = ((pair[0] ?? 0) & 0xffffff00) | number;
    halves[size * 2 + 1] = pair[1] ?? 0;
    size += 1;
  };
  return {
    get size() {
      return size;
    },
    add(type, id) {
      hash(type, id);
      push(typeNumber(type));
    },
    addAs(type, id, as) {
      hash(type, id);
      push(typeNumber(as));
    },
    addAll(more) {
      reserve(more.length);
      keys.set(more, size);
      size += more.length;
    },
    settle(unique) {
      keys.subarray(0, size).sort();
      if (unique === "all" || size === 0) return;
      let kept = 1;
      for (let at = 1; at < size; at += 1) {
        const low = halves[at * 2];
        const high = halves[at * 2 + 1];
        if (low === halves[kept * 2 - 2] && high === halves[kept * 2 - 1]) continue;
        halves[kept * 2] = low ?? 0;
        halves[kept * 2 + 1] = high ?? 0;
        kept += 1;
      }
      size = kept;
    },
    take: () => keys.slice(0, size),
    view: () => keys.subarray(0, size),
    count(key) {
      const first = lowerBound(keys, size, key);
      let count = 0;
      while (first + count < size && keys[first + count] === key) count += 1;
      return count;
    },
  };
}

function lowerBound(keys: Keys, size: number, key: bigint): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? 0n) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
