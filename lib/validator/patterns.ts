/** `fixed[x]` and `pattern[x]` (https://hl7.org/fhir/R4/elementdefinition.html, ElementDefinition.fixed, .pattern). */
import { isObject } from "./json.ts";

/** Answers undefined when the value agrees, else the path (below the value) of the first disagreement. */
export type ValueTest = (value: unknown) => string | undefined;

/** The value must equal the fixed one exactly, extensions and ids included. */
export function fixedTest(fixed: unknown): ValueTest {
  return (value) => difference(fixed, value, "");
}

/** The value must hold at least what the pattern holds; of a list, each entry of the pattern needs a match. */
export function patternTest(pattern: unknown): ValueTest {
  return (value) => shortfall(pattern, value, "");
}

function difference(fixed: unknown, value: unknown, path: string): string | undefined {
  if (Array.isArray(fixed)) {
    if (!Array.isArray(value) || value.length !== fixed.length) return path;
    for (let at = 0; at < fixed.length; at++) {
      const found = difference(fixed[at], value[at], `${path}[${at}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (isObject(fixed)) {
    if (!isObject(value)) return path;
    for (const key of Object.keys(fixed)) {
      const found = difference(fixed[key], value[key], `${path}.${key}`);
      if (found !== undefined) return found;
    }
    for (const key of Object.keys(value)) {
      if (!(key in fixed)) return `${path}.${key}`;
    }
    return undefined;
  }
  return fixed === value ? undefined : path;
}

function shortfall(pattern: unknown, value: unknown, path: string): string | undefined {
  if (Array.isArray(pattern)) {
    if (!Array.isArray(value)) return path;
    for (let at = 0; at < pattern.length; at++) {
      const wanted: unknown = pattern[at];
      let found = false;
      for (const candidate of value) {
        if (shortfall(wanted, candidate, path) === undefined) {
          found = true;
          break;
        }
      }
      if (!found) return path;
    }
    return undefined;
  }
  if (isObject(pattern)) {
    if (!isObject(value)) return path;
    for (const key of Object.keys(pattern)) {
      const found = shortfall(pattern[key], value[key], `${path}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return pattern === value ? undefined : path;
}
