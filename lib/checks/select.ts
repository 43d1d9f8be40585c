/** A value found in a JSON document, with the JSON pointer of where it stood. */
export interface Selected {
  readonly pointer: string;
  readonly value: unknown;
}

/**
 * Selects values of a JSON document. A path is a JSON pointer (RFC 6901) whose segments may also be `*` (every
 * member) or `name[key=value]` (the members of array `name` whose `key` equals `value`).
 *
 * @param path such as `/rest/0/resource[type=Patient]/searchParam/*`; empty for the document itself
 * @returns what was found, in document order; empty when nothing is there
 */
export function select(document: unknown, path: string): readonly Selected[] {
  let found: Selected[] = [{ pointer: "", value: document }];
  for (const segment of segments(path)) {
    found = found.flatMap((selected) => step(selected, segment));
  }
  return found;
}

/** Splits at the slashes that do not stand inside a `[key=value]`, whose value may be a URL. */
function segments(path: string): readonly string[] {
  if (path === "") return [];
  if (!path.startsWith("/")) throw new Error(`not a JSON pointer: ${path}`);
  return (
    path
      .slice(1)
      .match(/(?:[^/[]|\[[^\]]*\])+/g)
      ?.map((segment) => segment) ?? [""]
  );
}

function step(from: Selected, segment: string): Selected[] {
  const predicate = /^([^[]*)\[([^=\]]+)=([^\]]*)\]$/.exec(segment);
  if (predicate !== null) {
    const [, name = "", key = "", wanted] = predicate;
    return step(from, name)
      .flatMap((member) => step(member, "*"))
      .filter((member) => isObject(member.value) && isWritten(member.value[key], wanted));
  }
  if (segment === "*") {
    if (Array.isArray(from.value)) return from.value.map((value, index) => child(from, String(index), value));
    if (isObject(from.value))
      return Object.entries(from.value).map(([key, value]) => child(from, key, value));
    return [];
  }
  const key = segment.replaceAll("~1", "/").replaceAll("~0", "~");
  if (Array.isArray(from.value)) {
    const index = Number(key);
    return Number.isInteger(index) && index >= 0 && index < from.value.length
      ? [child(from, key, from.value[index])]
      : [];
  }
  return isObject(from.value) && Object.hasOwn(from.value, key) ? [child(from, key, from.value[key])] : [];
}

/** Whether a primitive value is written so. An object is no text, whatever its own `toString` would be. */
function isWritten(value: unknown, text: string | undefined): boolean {
  return (typeof value !== "object" || value === null) && String(value) === text;
}

function child(parent: Selected, key: string, value: unknown): Selected {
  return { pointer: `${parent.pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`, value };
}

/** Whether a value is a JSON object (not an array, not null). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
