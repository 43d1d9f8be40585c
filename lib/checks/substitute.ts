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
  if (typeof value === "string") return replaceText(value, variables);
  if (Array.isArray(value)) return value.map((member) => replace(member, variables));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, replace(member, variables)]),
    );
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
