import { each, isObject, type Json, type JsonObject } from "../json.ts";

/** Elements whose name ends with the type of their value. */
const CHOICES = new Set([
  "abatement",
  "deceased",
  "due",
  "effective",
  "medication",
  "occurrence",
  "onset",
  "performed",
  "value",
]);

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Splits at a separator, outside of parentheses and quotes. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let isQuoted = false;
  let part = "";
  for (const character of text) {
    if (character === "'") isQuoted = !isQuoted;
    else if (!isQuoted && character === "(") depth += 1;
    else if (!isQuoted && character === ")") depth -= 1;
    if (character === separator && depth === 0 && !isQuoted) {
      parts.push(part.trim());
      part = "";
    } else part += character;
  }
  return [...parts, part.trim()];
}

/**
 * The values in a resource that a search parameter is about. Reads the part of FHIRPath in which the search
 * parameters of US Core are written: paths, unions, `as`, `where(url = …)` and `where(resolve() is …)`.
 */
export function valuesAt(resource: JsonObject, expression: string): Json[] {
  return split(expression, "|").flatMap((path) => follow(resource, path));
}

function follow(resource: JsonObject, path: string): Json[] {
  // (X as type) is X.as(type).
  const cast = /^\((.+) as (\w+)\)$/.exec(path);
  const steps = split(cast === null ? path : `${cast[1] ?? ""}.as(${cast[2] ?? ""})`, ".");
  const [type, ...rest] = steps;
  if (type !== resource["resourceType"] && type !== "Resource") return [];
  let values: Json[] = [resource];
  for (let index = 0; index < rest.length; index += 1) {
    const step = rest[index] ?? "";
    const kind = /^(?:as|ofType)\((\w+)\)$/.exec(rest[index + 1] ?? "")?.[1];
    values = values.flatMap((value) => member(value, step, kind));
  }
  return values;
}

function member(value: Json, step: string, kind: string | undefined): Json[] {
  if (/^(?:as|ofType)\(/.test(step)) return [value];
  const url = /^where\(url\s*=\s*'([^']*)'\)$/.exec(step)?.[1];
  if (url !== undefined) return isObject(value) && value["url"] === url ? [value] : [];
  const target = /^where\(resolve\(\) is (\w+)\)$/.exec(step)?.[1];
  if (target !== undefined) {
    const reference = isObject(value) ? value["reference"] : undefined;
    return typeof reference === "string" && new RegExp(`(^|/)${target}/`).test(reference) ? [value] : [];
  }
  if (!isObject(value)) return [];
  if (value[step] !== undefined) return each(value[step]);
  if (!CHOICES.has(step)) return [];
  if (kind !== undefined) return each(value[`${step}${capital(kind)}`]);
  const names = Object.keys(value).filter(
    (name) => name.startsWith(step) && /^[A-Z]/.test(name.slice(step.length)),
  );
  return names.flatMap((name) => each(value[name]));
}
