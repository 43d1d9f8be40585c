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

type Step = (value: Json) => Json[];
type Reader = (resource: JsonObject) => Json[];

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

const readers = new Map<string, Reader>();

/**
 * The values in a resource that a search parameter is about. Reads the part of FHIRPath in which the search
 * parameters of US Core are written: paths, unions, `as`, `where(url = …)` and `where(resolve() is …)`.
 */
export function valuesAt(resource: JsonObject, expression: string): Json[] {
  let reader = readers.get(expression);
  if (reader === undefined) {
    const paths = split(expression, "|").map(compile);
    reader = (each) =>
      paths.length === 1 && paths[0] ? paths[0](each) : paths.flatMap((path) => path(each));
    readers.set(expression, reader);
  }
  return reader(resource);
}

function compile(path: string): Reader {
  // (X as type) is X.as(type).
  const cast = /^\((.+) as (\w+)\)$/.exec(path);
  const [type, ...rest] = split(cast === null ? path : `${cast[1] ?? ""}.as(${cast[2] ?? ""})`, ".");
  const steps = rest.flatMap((step, index) => {
    if (/^(?:as|ofType)\(/.test(step)) return [];
    return [compileStep(step, /^(?:as|ofType)\((\w+)\)$/.exec(rest[index + 1] ?? "")?.[1])];
  });
  return (resource) => {
    if (type !== resource["resourceType"] && type !== "Resource") return [];
    let values: Json[] = [resource];
    for (const step of steps) values = values.flatMap(step);
    return values;
  };
}

function compileStep(step: string, kind: string | undefined): Step {
  const url = /^where\(url\s*=\s*'([^']*)'\)$/.exec(step)?.[1];
  if (url !== undefined) return (value) => (isObject(value) && value["url"] === url ? [value] : []);
  const target = /^where\(resolve\(\) is (\w+)\)$/.exec(step)?.[1];
  if (target !== undefined) {
    const toTarget = new RegExp(`(^|/)${target}/`);
    return (value) => {
      const reference = isObject(value) ? value["reference"] : undefined;
      return typeof reference === "string" && toTarget.test(reference) ? [value] : [];
    };
  }
  if (!CHOICES.has(step)) return (value) => (isObject(value) ? each(value[step]) : []);
  if (kind !== undefined) return (value) => (isObject(value) ? each(value[`${step}${capital(kind)}`]) : []);
  return (value) => {
    if (!isObject(value)) return [];
    const names = Object.keys(value).filter(
      (name) => name.startsWith(step) && /^[A-Z]/.test(name.slice(step.length)),
    );
    return names.flatMap((name) => each(value[name]));
  };
}
