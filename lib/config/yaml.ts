import { readFileSync } from "node:fs";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import formats from "ajv-formats";
import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import { ConfigurationError, suggest } from "./errors.ts";

/** A YAML file as read, with the places of its fields for error messages. */
export interface YamlFile<T> {
  readonly value: T;
  /** Path as the user knows it. */
  readonly file: string;
  /** Line (1-based) of the field at a path of keys and indices. */
  line(path: readonly (string | number)[]): number | undefined;
}

const ajv = new Ajv({
  allErrors: true,
  allowUnionTypes: true,
  discriminator: true,
  strict: false,
  verbose: true,
});
(formats as unknown as (ajv: Ajv) => void)(ajv);

/**
 * Compiles a JSON Schema once. The keyword `secret: true` on a string marks a reference to a secret: messages about
 * such a field never repeat its value.
 */
export function compileSchema(file: string): ValidateFunction {
  const schema = JSON.parse(readFileSync(file, "utf8")) as { $id?: string };
  const known = schema.$id === undefined ? undefined : ajv.getSchema(schema.$id);
  return known ?? ajv.compile(schema);
}

/**
 * Reads a YAML file and checks it against a compiled JSON Schema.
 *
 * @throws ConfigurationError naming file, line and field, when it cannot be read, parsed, or does not match
 */
export function readYaml<T>(path: string, shown: string, validate: ValidateFunction): YamlFile<T> {
  const file = parseYaml<T>(path, shown);
  if (!validate(file.value)) throw schemaError(file, validate.errors ?? []);
  return file;
}

function parseYaml<T>(path: string, shown: string): YamlFile<T> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new ConfigurationError(code === "ENOENT" ? "there is no such file" : `cannot be read (${code})`, {
      file: shown,
    });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    maxAliasCount: 100,
  } as object);
  const problem = document.errors[0];
  if (problem !== undefined) {
    const line = lines.linePos(problem.pos[0]).line;
    const said =
      problem.code === "MULTIPLE_DOCS" ? "it holds several documents (a second ---)" : problem.message;
    throw new ConfigurationError(`is not valid YAML: ${said}`, { file: shown, line });
  }
  let value: T;
  try {
    value = document.toJS({ maxAliasCount: 100 }) as T;
  } catch (error) {
    throw new ConfigurationError(
      `is not usable YAML: ${error instanceof Error ? error.message : String(error)}`,
      {
        file: shown,
      },
    );
  }
  return {
    value,
    file: shown,
    line: (path) => lineOf(document, lines, path),
  };
}

function lineOf(
  document: Document,
  lines: LineCounter,
  path: readonly (string | number)[],
): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const parent = length === 0 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    // A key's own line is where a person looks, not the line on which its value starts.
    if (length > 0 && isMap(parent)) {
      const pair = parent.items.find(
        (item) => isPair(item) && isScalar(item.key) && item.key.value === path[length - 1],
      );
      if (pair !== undefined && isScalar(pair.key) && pair.key.range)
        return lines.linePos(pair.key.range[0]).line;
    }
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    const range = (node as { range?: [number, number, number] } | null | undefined)?.range;
    if (range) return lines.linePos(range[0]).line;
  }
  return undefined;
}

function schemaError(file: YamlFile<unknown>, errors: readonly ErrorObject[]): ConfigurationError {
  // Of all that ajv says, the deepest message is the one about the field that is wrong.
  const error = errors.toSorted((a, b) => weight(b) - weight(a))[0];
  if (error === undefined) return new ConfigurationError("does not match its schema", { file: file.file });
  let path = error.instancePath
    .split("/")
    .slice(1)
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((segment) => (/^\d+$/.test(segment) ? Number(segment) : segment));
  let problem: string;
  switch (error.keyword) {
    case "additionalProperties": {
      const key = (error.params as { additionalProperty: string }).additionalProperty;
      const known = Object.keys((error.parentSchema as { properties?: object }).properties ?? {});
      path = [...path, key];
      problem = `is not a known key.${suggest(key, known)}`;
      break;
    }
    case "required":
      problem = `lacks "${(error.params as { missingProperty: string }).missingProperty}"`;
      break;
    case "enum": {
      const allowed = (error.params as { allowedValues: unknown[] }).allowedValues.map(String);
      problem = `${shown(error)} is not allowed.${suggest(String(error.data), allowed)}`;
      break;
    }
    default:
      problem = isSecret(error)
        ? "a secret stands here literally; give it as ${env:NAME} or ${file:path}"
        : `${shown(error)} ${(error.parentSchema as { errorMessage?: string } | undefined)?.errorMessage ?? error.message ?? "is not valid"}`;
  }
  return new ConfigurationError(problem, { file: file.file, line: file.line(path), field: path.join(".") });
}

function weight(error: ErrorObject): number {
  const branch = ["anyOf", "oneOf", "if", "not", "const"].includes(error.keyword) ? 0.5 : 1;
  return error.instancePath.split("/").length + branch * (error.keyword === "additionalProperties" ? 1.2 : 1);
}

function isSecret(error: ErrorObject): boolean {
  return (error.parentSchema as { secret?: boolean } | undefined)?.secret === true;
}

function shown(error: ErrorObject): string {
  if (isSecret(error)) return "this";
  // A secret may stand anywhere within what has the wrong shape: its kind is all that is repeated.
  if (Array.isArray(error.data)) return "a list";
  if (typeof error.data === "object" && error.data !== null) return "what stands here";
  if (error.keyword === "type" && typeof error.data === "string") return "text";
  const text = JSON.stringify(error.data) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
