/** The values of an element as JSON carries them: in one key or several, with companions, repeating or not. */
import type { JsonObject } from "./json.ts";
import type { ElementShape, TypeOption } from "./shapes.ts";

/** One value of an element, with its index where the element repeats. */
export interface Occurrence {
  readonly value: unknown;
  readonly companion: unknown;
  readonly option: TypeOption;
  readonly index: number;
}

/** All values of an element of an object, whatever types they have. */
export function occurrencesOf(value: JsonObject, element: ElementShape): Occurrence[] {
  const found: Occurrence[] = [];
  for (const option of element.options) {
    const item = value[option.key];
    const companion = option.tag < 0 ? undefined : value[option.companionKey];
    if (item === undefined && companion === undefined) continue;
    if (!element.repeats) {
      found.push({ value: item, companion, option, index: -1 });
      continue;
    }
    const items: readonly unknown[] = Array.isArray(item) ? item : item === undefined ? [] : [item];
    const companions: readonly unknown[] = Array.isArray(companion) ? companion : [];
    const length = Math.max(items.length, companions.length);
    for (let index = 0; index < length; index++) {
      found.push({ value: items[index], companion: companions[index], option, index });
    }
  }
  return found;
}
