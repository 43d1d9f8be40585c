import type { CheckContext } from "../../lib/checks/context.ts";
import { capabilityStatement } from "../../lib/checks/facts.ts";
import { isObject } from "../../lib/checks/select.ts";

export type Entry = Readonly<Record<string, unknown>>;

/** What the statement says of the server's RESTful interface, and the exchange that shows it. */
export interface Statement {
  readonly document: Entry;
  /** The first `rest` of mode server, with its place. */
  readonly server: Entry;
  readonly serverAt: string;
  readonly evidence: { readonly exchange?: string };
}

/** Reads the CapabilityStatement of the target. A statement without a server part gives an empty one. */
export async function readStatement(context: CheckContext): Promise<Statement> {
  const { json, exchange } = await context.fact(capabilityStatement);
  const document = isObject(json) ? json : {};
  const rests = entries(document["rest"]);
  const index = rests.findIndex((rest) => rest["mode"] === "server");
  return {
    document,
    server: rests[index] ?? {},
    serverAt: `/rest/${Math.max(index, 0)}`,
    evidence: exchange === undefined ? {} : { exchange },
  };
}

/** What is declared for a resource type, with its place; `undefined` when the type is not declared. */
export function resourceOf(
  statement: Statement,
  type: string,
): { readonly entry: Entry; readonly at: string } | undefined {
  const resources = entries(statement.server["resource"]);
  const index = resources.findIndex((resource) => resource["type"] === type);
  const entry = resources[index];
  return entry === undefined ? undefined : { entry, at: `${statement.serverAt}/resource/${index}` };
}

/**
 * The search parameters that hold for a resource type: its own, and those declared for all types
 * (`rest.searchParam`).
 */
export function searchParametersOf(statement: Statement, resource: Entry): readonly Entry[] {
  return [...entries(resource["searchParam"]), ...entries(statement.server["searchParam"])];
}

/** The objects of a list; empty where there is none. */
export function entries(value: unknown): readonly Entry[] {
  return Array.isArray(value) ? value.filter((member) => isObject(member)) : [];
}

/** The strings of a list; empty where there is none. */
export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((member) => typeof member === "string") : [];
}

/** A canonical without its version, and the version. */
export function splitCanonical(canonical: string): { readonly url: string; readonly version?: string } {
  const bar = canonical.indexOf("|");
  return bar < 0 ? { url: canonical } : { url: canonical.slice(0, bar), version: canonical.slice(bar + 1) };
}
