/** Extensions by their definitions (https://hl7.org/fhir/R4/extensibility.html, defining-extensions.html). */
import type { Judge } from "./judge.ts";
import { listAt, withoutVersion } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { StructureFacts } from "./pack/format.ts";
import { isAbsoluteUri } from "./primitives.ts";
import { report } from "./run.ts";
import type { Run } from "./run.ts";
import { treeOf } from "./trees.ts";
import type { ElementNode } from "./trees.ts";
import { quoted } from "./wording.ts";

const EXTENSION = "http://hl7.org/fhir/StructureDefinition/Extension";

/** Judges an extension at its place; what is inside of it has been walked. */
export function checkExtension(judge: Judge, run: Run, value: JsonObject, depth: number): void {
  const valueKey = valueKeyOf(value);
  const hasParts = value["extension"] !== undefined;
  if (hasParts === (valueKey !== undefined)) {
    report(run, depth, {
      severity: "error",
      code: "invariant",
      rule: "extension-content",
      profile: EXTENSION,
      constraint: "ext-1",
    });
  }
  const { url } = value;
  if (typeof url !== "string" || url === "") return;
  const isModifier = run.elements[depth]?.name === "modifierExtension";
  const isPart = run.shapes[depth - 1]?.name === "Extension" && run.elements[depth]?.name === "extension";
  if (!isAbsoluteUri(url)) {
    // Inside a complex extension the parts have names; their definition judges them.
    if (!isPart)
      report(run, depth, {
        severity: "error",
        code: "structure",
        rule: "extension-url-relative",
        details: { url: quoted(url) },
      });
    return;
  }
  const definition = judge.definitions.structure(withoutVersion(url));
  if (definition === undefined || definition.type !== "Extension") {
    if (isModifier) {
      report(run, depth, {
        severity: "error",
        code: "structure",
        rule: "extension-unknown-modifier",
        details: { url: quoted(url) },
      });
    }
    return;
  }
  if (url.includes("|")) {
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "extension-url-version",
      details: { url: quoted(url) },
    });
  }
  const facts = factsOf(definition);
  checkModifier(run, definition, facts, isModifier, depth);
  checkContext(judge, run, definition, depth);
  checkValue(run, definition, facts, valueKey, hasParts, depth);
  if (facts.parts !== undefined) checkParts(run, definition, facts.parts, value, depth);
  judge.applyStructure(run, definition, value, depth);
}

function valueKeyOf(value: JsonObject): string | undefined {
  for (const key in value) {
    if (key.startsWith("value") && key.length > 5) return key;
    if (key.startsWith("_value") && key.length > 6) return key.slice(1);
  }
  return undefined;
}

/** What a definition says of the extension as a whole. */
interface ExtensionFacts {
  readonly isModifier: boolean;
  /** JSON keys of the value by type; empty where the extension is complex. */
  readonly values: ReadonlyMap<string, string>;
  /** Names of the parts of a complex extension; undefined where it may have any. */
  readonly parts: ReadonlySet<string> | undefined;
}

const known = new WeakMap<StructureFacts, ExtensionFacts>();

function factsOf(definition: StructureFacts): ExtensionFacts {
  const found = known.get(definition);
  if (found !== undefined) return found;
  const root = treeOf(definition);
  const value = root?.children.find(({ name }) => name.startsWith("value"));
  const values = new Map<string, string>();
  if (value === undefined || value.facts.max !== 0) {
    for (const { code } of value?.facts.types ?? []) {
      values.set(`value${code.charAt(0).toUpperCase()}${code.slice(1)}`, code);
    }
  }
  const parts = new Set<string>();
  for (const slice of root?.children.find(({ name }) => name === "extension")?.slices ?? []) {
    const url = partUrl(slice);
    if (url !== undefined) parts.add(url);
  }
  const facts = {
    isModifier: root?.facts.isModifier === true,
    values,
    parts: parts.size === 0 ? undefined : parts,
  };
  known.set(definition, facts);
  return facts;
}

function partUrl(slice: ElementNode): string | undefined {
  const fixed = slice.children.find(({ name }) => name === "url")?.facts.fixed?.value;
  return typeof fixed === "string" ? fixed : slice.facts.types?.[0]?.profiles?.[0];
}

function checkModifier(
  run: Run,
  { url }: StructureFacts,
  facts: ExtensionFacts,
  standsAsModifier: boolean,
  depth: number,
): void {
  if (facts.isModifier === standsAsModifier) return;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: standsAsModifier ? "extension-not-modifier" : "extension-modifier",
    details: { url },
    profile: url,
  });
}

function checkValue(
  run: Run,
  { url }: StructureFacts,
  { values }: ExtensionFacts,
  valueKey: string | undefined,
  hasParts: boolean,
  depth: number,
): void {
  if (valueKey !== undefined) {
    if (values.has(valueKey)) return;
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: values.size === 0 ? "extension-value-unexpected" : "extension-value-type",
      details: { url, type: quoted(valueKey.slice(5)), allowed: [...values.values()] },
      profile: url,
    });
  } else if (hasParts && values.size > 0) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "extension-value-missing",
      details: { url },
      profile: url,
    });
  }
}

function checkParts(
  run: Run,
  { url }: StructureFacts,
  parts: ReadonlySet<string>,
  value: JsonObject,
  depth: number,
): void {
  for (const part of listAt(value, "extension")) {
    const name = typeof part === "object" && part !== null ? (part as JsonObject)["url"] : undefined;
    if (typeof name !== "string" || parts.has(name) || isAbsoluteUri(name)) continue;
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "extension-part-unknown",
      details: { part: quoted(name), url },
      profile: url,
    });
  }
}

/** Where the definition allows the extension to stand (StructureDefinition.context). */
function checkContext(judge: Judge, run: Run, definition: StructureFacts, depth: number): void {
  const contexts = definition.context ?? [];
  if (contexts.length > 0) {
    const places = placesOf(run, depth - 1);
    // Values of other places stand here.
    if (places.has("ElementDefinition.pattern") || places.has("ElementDefinition.fixed")) return;
    const allowed = contexts.some(({ type, expression }) => {
      if (type === "extension") return extensionAround(run, depth) === expression;
      // Which elements an expression selects is not looked for: nothing is refused on its account.
      if (type === "fhirpath") return true;
      const plain = expression.slice(expression.indexOf("#") + 1);
      return ANYWHERE.has(plain) || places.has(plain) || (CANONICAL.has(plain) && places.has("Resource"));
    });
    if (!allowed) {
      report(run, depth, {
        severity: "error",
        code: "structure",
        rule: "extension-context",
        details: { url: definition.url, contexts: contexts.map(({ expression }) => expression) },
        profile: definition.url,
      });
      return;
    }
  }
  for (const invariant of definition.contextInvariants ?? []) {
    if (judge.contextInvariantHolds(run, invariant, depth - 1)) continue;
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "extension-context-invariant",
      details: { url: definition.url, expression: invariant },
      profile: definition.url,
    });
  }
}

const ANYWHERE: ReadonlySet<string> = new Set(["Element", "Any", "*"]);
const CANONICAL: ReadonlySet<string> = new Set(["CanonicalResource", "MetadataResource"]);

/** The names that a place goes by: its types and their ancestors, its path in its type and in the resource. */
function placesOf(run: Run, depth: number): ReadonlySet<string> {
  const places = new Set<string>();
  const shape = run.shapes[depth];
  const element = run.elements[depth];
  const ofResource = shape?.isResource === true;
  for (const name of shape?.lineage ?? []) places.add(name);
  if (shape !== undefined) places.add(shape.name);
  if (depth === 0 || element === undefined || ofResource) return places;
  for (const option of element.options) if (option.tag >= 0) places.add(option.code);
  addPath(places, element.path);
  let tail = "";
  for (let at = depth; at > 0; at--) {
    const step = run.elements[at];
    if (step === undefined) break;
    tail = `.${step.isChoice ? `${step.name}[x]` : step.name}${tail}`;
    const holder = run.shapes[at - 1];
    if (holder === undefined) break;
    for (const name of holder.lineage) addPath(places, `${name}${tail}`);
    addPath(places, `${holder.name}${tail}`);
    if (holder.isResource) break;
  }
  return places;
}

function addPath(places: Set<string>, path: string): void {
  places.add(path);
  if (path.includes("[x]")) places.add(path.replaceAll("[x]", ""));
}

/** The url of the extension that this one stands in, directly or in its value. */
function extensionAround(run: Run, depth: number): string | undefined {
  for (let at = depth - 1; at >= Math.max(depth - 2, 0); at--) {
    if (run.shapes[at]?.name !== "Extension") continue;
    const holder = run.extensionUrls[at];
    if (holder !== undefined) return holder;
  }
  return undefined;
}
