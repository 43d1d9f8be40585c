import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { dataFolder } from "./data.ts";
import type { Json } from "./json.ts";
import { readPointer } from "./pointer.ts";

type Pattern = string | null;

/** Which exchanges a fault concerns; see faults/README.md. */
export interface FaultOn {
  readonly method?: string | readonly string[];
  readonly api?: readonly string[];
  readonly path?: string;
  readonly auth?: string;
  readonly server?: "tenant" | "legacy";
  readonly tenant?: string;
  readonly header?: Readonly<Record<string, Pattern>>;
  readonly query?: Readonly<Record<string, Pattern>>;
  readonly form?: Readonly<Record<string, Pattern>>;
  readonly format?: "json" | "xml";
  readonly status?: number | readonly number[];
  readonly nth?: number | readonly number[];
}

/** One step of a fault; exactly one operation's keys are there (the schema sees to it). */
export interface FaultOperation {
  readonly rewrite?: string;
  readonly method?: string;
  readonly requestHeader?: Readonly<Record<string, Pattern>>;
  readonly query?: Readonly<Record<string, Pattern>>;
  readonly form?: Readonly<Record<string, Pattern>>;
  readonly behaviour?: string;
  readonly with?: Readonly<Record<string, Json>>;
  readonly setting?: string;
  readonly value?: Json;
  readonly remove?: string;
  readonly set?: string;
  readonly append?: string;
  readonly json?: Json;
  readonly body?: string;
  readonly bytes?: string;
  readonly mediaType?: string;
  readonly redirect?: string;
  readonly outcome?: string;
  readonly status?: number;
  readonly header?: Readonly<Record<string, Pattern>>;
  readonly delay?: number;
  readonly reset?: "before" | "within";
  readonly truncate?: number;
  readonly drip?: { readonly bytes: number; readonly milliseconds: number };
  readonly pad?: number;
  readonly gzip?: true;
}

/** An entry of the fault catalogue. */
export interface FaultDefinition {
  readonly id: string;
  readonly description: string;
  /** Ids of the checks that must notice it; with the names of `parameter` in braces. */
  readonly trips: readonly string[];
  /** Form of the argument, such as `{type}.{search}`; absent for a fault without one. */
  readonly parameter?: string;
  /** It needs the https listener. */
  readonly tls?: true;
  readonly on?: FaultOn;
  readonly change: readonly FaultOperation[];
}

/** A fault as it was called for: `id` or `id:argument`. */
export interface FaultCall {
  readonly call: string;
  readonly definition: FaultDefinition;
  readonly argument: string | undefined;
  /** Parts of the argument by name. */
  readonly parts: Readonly<Record<string, string>>;
}

let catalogue: readonly FaultDefinition[] | undefined;

/**
 * Reads the fault catalogue: every `faults/*.yaml`, checked against its schema, ids unique, pointers readable.
 *
 * @throws Error naming file and place of the first mistake
 */
export function loadFaultCatalogue(): readonly FaultDefinition[] {
  catalogue ??= readCatalogue(dataFolder("faults"));
  return catalogue;
}

/** Reads a catalogue from a folder; see {@link loadFaultCatalogue}. */
export function readCatalogue(folder: string): FaultDefinition[] {
  const schema = JSON.parse(readFileSync(join(dataFolder("faults"), "faults.schema.json"), "utf8")) as Record<
    string,
    unknown
  >;
  const validate = new Ajv({ allErrors: false, allowUnionTypes: true }).compile<{
    faults: FaultDefinition[];
  }>(schema);
  const found = new Map<string, FaultDefinition>();
  for (const name of readdirSync(folder)
    .filter((each) => each.endsWith(".yaml"))
    .toSorted()) {
    const content: unknown = parse(readFileSync(join(folder, name), "utf8"));
    if (!validate(content)) {
      const mistake = validate.errors?.find((error) => error.keyword !== "oneOf") ?? validate.errors?.[0];
      const index = /^\/faults\/(\d+)/.exec(mistake?.instancePath ?? "")?.[1];
      const entry = (content as { faults?: { id?: string }[] } | null)?.faults?.[Number(index)];
      throw new Error(
        `${name}${mistake?.instancePath ?? ""}${entry?.id === undefined ? "" : ` (${entry.id})`}: ${mistake?.message ?? "is not a list of faults"}`,
      );
    }
    for (const fault of content.faults) {
      if (found.has(fault.id)) throw new Error(`${name}: the fault ${fault.id} is there twice`);
      for (const { remove, set, append } of fault.change) readPointer(remove ?? set ?? append ?? "");
      found.set(fault.id, fault);
    }
  }
  return [...found.values()];
}

const escapeExpression = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

function readArgument(parameter: string, argument: string): Record<string, string> | undefined {
  const names: string[] = [];
  // Every part but the last ends at the first occurrence of what follows it.
  const pieces = parameter.split(/(\{[a-zA-Z]+\})/).map((piece) => {
    const name = /^\{([a-zA-Z]+)\}$/.exec(piece)?.[1];
    if (name === undefined) return escapeExpression(piece);
    names.push(name);
    return "(.+?)";
  });
  const values = new RegExp(`^${pieces.join("")}$`, "s").exec(argument);
  if (values === null) return undefined;
  return Object.fromEntries(names.map((name, index) => [name, values[index + 1] ?? ""]));
}

/**
 * Reads a call of a fault, `id` or `id:argument`.
 *
 * @throws Error when there is no such fault, or its argument is missing or has another form
 */
export function readFaultCall(
  call: string,
  definitions: readonly FaultDefinition[] = loadFaultCatalogue(),
): FaultCall {
  const at = call.indexOf(":");
  const id = at === -1 ? call : call.slice(0, at);
  const argument = at === -1 ? undefined : call.slice(at + 1);
  const definition = definitions.find((each) => each.id === id);
  if (definition === undefined) throw new Error(`There is no fault "${id}".`);
  if (definition.parameter === undefined) {
    if (argument !== undefined) throw new Error(`The fault ${id} takes no argument.`);
    return { call, definition, argument, parts: {} };
  }
  const parts = argument === undefined ? undefined : readArgument(definition.parameter, argument);
  if (parts === undefined) throw new Error(`The fault ${id} is called as ${id}:${definition.parameter}.`);
  return { call, definition, argument, parts };
}

/** Ids of the checks that a called fault must trip. */
export function trippedChecks({ definition, argument, parts }: FaultCall): string[] {
  return definition.trips.map((check) =>
    check.replaceAll(/\{([a-zA-Z]+)\}/g, (whole, name: string) =>
      name === "argument" ? (argument ?? whole) : (parts[name] ?? whole),
    ),
  );
}
