/** Values that `{name}` or `{name.member}` in check data may stand for. */
export type Variables = Readonly<Record<string, unknown>>;

const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*)\}/g;

/**
 * Replaces `{name}` in every string of a JSON value. A string that is one placeholder takes the value itself, with
 * its type. A name that is not known is left as it stands, for a later substitution.
 */
export function substitute<T>(value: T, variables: Variables): T {
  return replace(value, variables) as T;
}

function replace(value: unknown, variables: Variables): unknown {
  if (typeof value === "string") return value.includes("{") ? replaceText(value, variables) : value;
  if (Array.isArray(value)) {
    const replaced = value.map((member) => replace(member, variables));
    return replaced.every((member, index) => member === value[index]) ? value : replaced;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    const replaced = entries.map(([key, member]) => [key, replace(member, variables)] as const);
    // What has no placeholder stays the same object, so that what was compiled from it can be found again.
    return replaced.every(([, member], index) => member === entries[index]?.[1])
      ? value
      : Object.fromEntries(replaced);
  }
  return value;
}

function replaceText(text: string, variables: Variables): unknown {
  const whole = /^\{([^{}]+)\}$/.exec(text)?.[1];
  if (whole !== undefined) {
    const value = lookUp(whole, variables);
    if (value !== undefined) return value;
  }
  return text.replaceAll(PLACEHOLDER, (placeholder, name: string) => {
    const value = lookUp(name, variables);
    if (value === undefined) return placeholder;
    return typeof value === "string" ? value : Array.isArray(value) ? value.join("+") : JSON.stringify(value);
  });
}

function lookUp(name: string, variables: Variables): unknown {
  let value: unknown = variables;
  for (const key of name.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
