/**
 * The walk over a resource: every object once, against its base type, with the rules of the datatypes, extensions,
 * references and containment on the way; then, sparsely, against each profile.
 */
import { checkBundle } from "./bundles.ts";
import { applyProfiles } from "./claims.ts";
import type { Constraint } from "./constraints.ts";
import type { Judge } from "./judge.ts";
import { isObject, kindOf, stringAt } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { narrativeProblems } from "./narrative.ts";
import {
  isAbsoluteUri,
  isMildProblem,
  jsonTypeOf,
  numberProblem,
  PRIMITIVE,
  stringProblem,
} from "./primitives.ts";
import { fullUrlOf } from "./references.ts";
import { report } from "./run.ts";
import type { Run } from "./run.ts";
import { SPECIAL } from "./shapes.ts";
import type { ElementShape, Property, TypeShape } from "./shapes.ts";
import { quoted } from "./wording.ts";

/** How a resource stands where it stands. */
export type Standing = "root" | "contained" | "entry";

/** Walks a resource at a depth; everything below it is walked too. */
export function walkResource(
  judge: Judge,
  run: Run,
  value: unknown,
  depth: number,
  standing: Standing,
): void {
  if (!isObject(value)) {
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "json-not-a-resource",
      details: { found: kindOf(value) },
    });
    run.keysIncomplete = true;
    return;
  }
  const shape = shapeOfResource(judge, run, value, depth);
  if (shape === undefined) {
    run.keysIncomplete = true;
    return;
  }
  const { resource, container, ids, localReferences, environment } = run;
  run.resource = value;
  if (standing !== "contained") run.container = value;
  run.ids = undefined;
  environment.resource = value;
  environment.rootResource = run.container;
  const contained = standing === "contained" ? undefined : value["contained"];
  if (standing !== "contained") run.localReferences = contained === undefined ? undefined : new Set();

  if (depth === 0) run.segments[0] = shape.name;
  const { meta, url } = value;
  if (isObject(meta) && Array.isArray(meta["security"]) && meta["security"].length > 1) {
    checkLabels(run, meta["security"], depth);
  }
  if (typeof url === "string" && url !== "" && !isAbsoluteUri(url)) checkOwnUrl(run, shape, url, depth);
  const isBundle = shape.name === "Bundle";
  if (isBundle) run.bundles.push({ bundle: value, fullUrl: undefined });
  walkObject(judge, run, value, shape, depth);
  if (isBundle) run.bundles.pop();
  if (Array.isArray(contained)) checkContained(run, contained, depth);
  if (shape.isDomainResource && standing !== "contained" && value["text"] === undefined) {
    report(run, depth, {
      severity: "warning",
      code: "invariant",
      rule: "narrative-missing",
      profile: DOMAIN_RESOURCE,
      constraint: "dom-6",
    });
  }
  if (isBundle) checkBundle(run, value, (name) => judge.shapes.type(name)?.isResource === true, depth);
  applyProfiles(judge, run, value, shape, depth, standing);

  run.resource = resource;
  run.container = container;
  run.ids = ids;
  run.localReferences = localReferences;
  environment.resource = resource;
  environment.rootResource = container;
}

const DOMAIN_RESOURCE = "http://hl7.org/fhir/StructureDefinition/DomainResource";
const ELEMENT = "http://hl7.org/fhir/StructureDefinition/Element";

function shapeOfResource(judge: Judge, run: Run, value: JsonObject, depth: number): TypeShape | undefined {
  const type = value["resourceType"];
  if (typeof type !== "string") {
    report(run, depth, { severity: "error", code: "invalid", rule: "resource-type-missing" });
    return undefined;
  }
  const shape = judge.shapes.type(type);
  if (shape === undefined || !shape.isResource || judge.isAbstract(type)) {
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "resource-type-unknown",
      details: { type: quoted(type) },
    });
    return undefined;
  }
  return shape;
}

/** https://hl7.org/fhir/R4/resource-definitions.html#Meta.security: labels are a set. */
function checkLabels(run: Run, labels: readonly unknown[], depth: number): void {
  const seen = new Set<string>();
  for (const [at, label] of labels.entries()) {
    const code = stringAt(label, "code");
    if (code === undefined) continue;
    const name = `${stringAt(label, "system") ?? "(no system)"}#${code}`;
    if (seen.has(name)) {
      run.segments[depth + 1] = "meta";
      run.indexes[depth + 1] = -1;
      run.segments[depth + 2] = "security";
      run.indexes[depth + 2] = at;
      report(run, depth + 2, {
        severity: "error",
        code: "business-rule",
        rule: "meta-security-duplicate",
        details: { label: quoted(name) },
      });
    }
    seen.add(name);
  }
}

/** A canonical resource names itself by an absolute URI (https://hl7.org/fhir/R4/resource.html#canonical). */
function checkOwnUrl(run: Run, shape: TypeShape, url: string, depth: number): void {
  const element = shape.elements.get("url");
  // Others, such as Subscription's channel, have no status of a publication.
  if (element?.options[0]?.code !== "uri" || !shape.elements.has("publisher")) return;
  run.segments[depth + 1] = "url";
  run.indexes[depth + 1] = -1;
  report(run, depth + 1, {
    severity: "error",
    code: "invalid",
    rule: "url-relative",
    details: { url: quoted(url) },
  });
}

/** Walks an object of a type: its keys, what is missing, and its invariants. */
export function walkObject(judge: Judge, run: Run, value: JsonObject, shape: TypeShape, depth: number): void {
  if (depth >= run.maxDepth) {
    run.keysIncomplete = true;
    report(run, depth, {
      severity: "error",
      code: "too-costly",
      rule: "json-too-deep",
      details: { limit: run.maxDepth },
    });
    return;
  }
  run.shapes[depth] = shape;
  run.values[depth] = value;
  if (shape.special === SPECIAL.extension) {
    const { url } = value;
    run.extensionUrls[depth] = typeof url === "string" ? url : undefined;
  }
  const below = depth + 1;
  const { properties } = shape;
  let keys = 0;
  let choices = 0;
  let hasId = false;
  for (const key in value) {
    keys++;
    const property = properties.get(key);
    if (property === undefined) {
      if (key === "resourceType" && shape.isResource) continue;
      unknownKey(run, key, value[key], shape, depth);
      continue;
    }
    const { element } = property;
    run.segments[below] = property.segment;
    run.indexes[below] = -1;
    run.elements[below] = element;
    if (element.choiceBit !== 0) {
      if ((choices & element.choiceBit) !== 0) checkChoice(run, value, element, depth);
      choices |= element.choiceBit;
    }
    const item = value[key];
    if (property.tag >= 0) {
      if (key === "id" && !shape.isResource) {
        hasId = true;
        checkElementId(run, item, below);
      }
      if (property.isCompanion)
        walkCompanions(judge, run, item, value[property.counterpart], property, key, below);
      else if (property.repeats)
        walkPrimitives(judge, run, item, value[property.counterpart], property, key, below);
      else walkPrimitive(judge, run, item, value[property.counterpart], property, key, below);
    } else if (property.repeats) walkItems(judge, run, item, property, key, below);
    else if (Array.isArray(item)) {
      report(run, below, {
        severity: "error",
        code: "structure",
        rule: "json-unexpected-array",
        details: { key },
      });
      run.keysIncomplete = true;
    } else walkItem(judge, run, item, property, key, below);
  }
  run.keys += keys;
  if (keys === (hasId ? 1 : 0) && !shape.isResource) reportNoContent(run, keys, depth);
  for (const element of shape.required) {
    if (!isPresent(value, element)) {
      report(run, depth, {
        severity: "error",
        code: "structure",
        rule: "cardinality-min",
        details: { element: element.path, min: element.min, count: 0 },
        profile: shape.url,
      });
    }
  }
  if (shape.special !== SPECIAL.none) judge.checkSpecial(run, value, shape, depth);
  if (shape.constraints.length > 0)
    checkConstraints(run, shape.constraints, value, shape.name, undefined, depth);
}

function isPresent(value: JsonObject, element: ElementShape): boolean {
  for (const option of element.options) {
    if (value[option.key] !== undefined) return true;
    if (option.tag >= 0 && value[option.companionKey] !== undefined) return true;
  }
  return false;
}

function reportNoContent(run: Run, keys: number, depth: number): void {
  if (keys === 0) report(run, depth, { severity: "error", code: "structure", rule: "json-empty-object" });
  else {
    report(run, depth, {
      severity: "error",
      code: "invariant",
      rule: "element-without-content",
      profile: ELEMENT,
      constraint: "ele-1",
    });
  }
}

function unknownKey(run: Run, key: string, item: unknown, shape: TypeShape, depth: number): void {
  if (typeof item === "object" && item !== null) run.keysIncomplete = true;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "element-unknown",
    details: { key: quoted(key), type: shape.name },
  });
}

function checkChoice(run: Run, value: JsonObject, element: ElementShape, depth: number): void {
  const found: string[] = [];
  for (const { key, companionKey, tag } of element.options) {
    if (value[key] !== undefined || (tag >= 0 && value[companionKey] !== undefined)) found.push(key);
  }
  if (found.length < 2) return;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "choice-several",
    details: { element: element.path, found },
  });
}

function checkElementId(run: Run, id: unknown, depth: number): void {
  if (typeof id !== "string") return;
  run.ids ??= new Set();
  if (run.ids.has(id)) {
    report(run, depth, {
      severity: "error",
      code: "invalid",
      rule: "element-id-duplicate",
      details: { value: quoted(id) },
    });
  }
  run.ids.add(id);
}

function walkItems(
  judge: Judge,
  run: Run,
  items: unknown,
  property: Property,
  key: string,
  depth: number,
): void {
  if (!Array.isArray(items)) {
    reportNoArray(run, items, key, depth);
    if (isObject(items)) walkItem(judge, run, items, property, key, depth);
    return;
  }
  const { length } = items;
  if (length === 0) {
    report(run, depth, { severity: "error", code: "structure", rule: "json-empty-array", details: { key } });
  }
  for (let at = 0; at < length; at++) {
    run.segments[depth] = property.segment;
    run.elements[depth] = property.element;
    run.indexes[depth] = at;
    walkItem(judge, run, items[at], property, key, depth);
  }
  checkMaximum(run, property.element, length, depth - 1);
}

function reportNoArray(run: Run, found: unknown, key: string, depth: number): void {
  reportWrongKind(run, found, "json-expected-array", key, depth);
}

function reportNoObject(run: Run, found: unknown, key: string, depth: number): void {
  if (Array.isArray(found)) run.keysIncomplete = true;
  reportWrongKind(run, found, "json-expected-object", key, depth);
}

function reportWrongKind(
  run: Run,
  found: unknown,
  rule: "json-expected-array" | "json-expected-object",
  key: string,
  depth: number,
): void {
  report(
    run,
    depth,
    found === null
      ? { severity: "error", code: "invalid", rule: "json-null" }
      : { severity: "error", code: "structure", rule, details: { key, found: kindOf(found) } },
  );
}

function checkMaximum(run: Run, element: ElementShape, count: number, depth: number): void {
  if (count <= element.max) return;
  report(run, depth, {
    severity: "error",
    code: "structure",
    rule: "cardinality-max",
    details: { element: element.path, max: element.max, count },
  });
}

function walkItem(
  judge: Judge,
  run: Run,
  item: unknown,
  property: Property,
  key: string,
  depth: number,
): void {
  if (!isObject(item)) {
    reportNoObject(run, item, key, depth);
    return;
  }
  const { element, option } = property;
  if (option.isResource) {
    walkHeldResource(judge, run, item, element, option.code, depth);
    return;
  }
  const shape = option.shape();
  walkObject(judge, run, item, shape, depth);
  if (element.constraints.length > 0)
    checkConstraints(run, element.constraints, item, shape.name, undefined, depth);
  if (element.binding !== undefined)
    judge.checkBinding(run, element.binding, item, shape.special, undefined, depth);
  if (shape.special === SPECIAL.reference) judge.checkTarget(run, item, option.targets, undefined, depth);
  if (option.profiles.length > 0) judge.applyTypeProfiles(run, item, option.profiles, depth);
}

/** A resource inside another: contained, in a Bundle entry, or in a parameter. */
function walkHeldResource(
  judge: Judge,
  run: Run,
  item: JsonObject,
  element: ElementShape,
  type: string,
  depth: number,
): void {
  const resourceType = item["resourceType"];
  if (type !== "Resource" && typeof resourceType === "string" && resourceType !== type) {
    const lineage = judge.shapes.type(resourceType)?.lineage;
    if (lineage !== undefined && !lineage.includes(type)) {
      report(run, depth, {
        severity: "error",
        code: "structure",
        rule: "resource-type-wrong",
        details: { type: resourceType, allowed: [type] },
      });
    }
  }
  if (element.name === "contained") {
    walkResource(judge, run, item, depth, "contained");
    return;
  }
  const around = run.bundles.at(-1);
  if (around !== undefined && element.path === "Bundle.entry.resource") {
    const fullUrl = fullUrlOf(around.bundle, item);
    run.bundles.push({ bundle: around.bundle, fullUrl });
    walkResource(judge, run, item, depth, "entry");
    run.bundles.pop();
    return;
  }
  walkResource(judge, run, item, depth, "entry");
}

function walkPrimitives(
  judge: Judge,
  run: Run,
  items: unknown,
  companions: unknown,
  property: Property,
  key: string,
  depth: number,
): void {
  if (!Array.isArray(items)) {
    reportNoArray(run, items, key, depth);
    return;
  }
  const { length } = items;
  if (length === 0) {
    report(run, depth, { severity: "error", code: "structure", rule: "json-empty-array", details: { key } });
  }
  const pairs = Array.isArray(companions) ? companions : undefined;
  for (let at = 0; at < length; at++) {
    run.indexes[depth] = at;
    const item: unknown = items[at];
    const companion: unknown = pairs?.[at];
    if (item === null && isObject(companion)) continue;
    walkPrimitive(judge, run, item, companion, property, key, depth);
  }
  run.indexes[depth] = -1;
  if (pairs !== undefined && pairs.length !== length) {
    report(run, depth, {
      severity: "warning",
      code: "structure",
      rule: "json-alignment",
      details: { key, companion: property.counterpart },
    });
  }
  checkMaximum(run, property.element, Math.max(length, pairs?.length ?? 0), depth - 1);
}

function walkPrimitive(
  judge: Judge,
  run: Run,
  item: unknown,
  companion: unknown,
  property: Property,
  key: string,
  depth: number,
): void {
  const { tag, element } = property;
  if (typeof item !== jsonTypeOf(tag)) {
    reportWrongJson(run, item, property, key, companion, depth);
    return;
  }
  if (typeof item === "string") {
    if (tag === PRIMITIVE.xhtml) {
      checkNarrative(run, item, depth);
      return;
    }
    const problem = stringProblem(tag, item);
    if (problem !== undefined) {
      const mild = isMildProblem(problem);
      report(run, depth, {
        severity: mild ? "warning" : "error",
        code: "invalid",
        rule: `primitive-${problem}`,
        details: { value: quoted(item), type: property.option.code },
      });
      if (!mild) return;
    }
    if (tag >= PRIMITIVE.uri && tag <= PRIMITIVE.canonical && item.charCodeAt(0) === 35)
      noteLocalReference(run, item);
  } else if (typeof item === "number") {
    if (tag !== PRIMITIVE.decimal) run.integers = true;
    const problem = numberProblem(tag, item);
    if (problem !== undefined) {
      report(run, depth, {
        severity: "error",
        code: "invalid",
        rule: problem === "range" ? "primitive-range" : "primitive-format",
        details: { value: String(item), type: property.option.code },
      });
    }
  }
  if (element.binding !== undefined)
    judge.checkBinding(run, element.binding, item, SPECIAL.none, undefined, depth);
  if (element.constraints.length > 0) {
    checkConstraints(run, element.constraints, item, property.option.code, companion, depth);
  }
}

function reportWrongJson(
  run: Run,
  item: unknown,
  property: Property,
  key: string,
  companion: unknown,
  depth: number,
): void {
  if (item === null) {
    const rule = property.repeats && companion !== undefined ? "json-null-pair" : "json-null";
    report(run, depth, { severity: "error", code: "invalid", rule });
    return;
  }
  if (Array.isArray(item)) {
    run.keysIncomplete = true;
    report(run, depth, {
      severity: "error",
      code: "structure",
      rule: "json-unexpected-array",
      details: { key },
    });
    return;
  }
  if (isObject(item)) run.keysIncomplete = true;
  report(run, depth, {
    severity: "error",
    code: "invalid",
    rule: "json-expected-primitive",
    details: { expected: jsonTypeOf(property.tag), found: kindOf(item), type: property.option.code },
  });
}

/** Keeps a `#id` for dom-3. */
export function noteLocalReference(run: Run, reference: string): void {
  run.localReferences?.add(reference.slice(1));
}

function walkCompanions(
  judge: Judge,
  run: Run,
  companions: unknown,
  values: unknown,
  property: Property,
  key: string,
  depth: number,
): void {
  if (!property.repeats) {
    if (Array.isArray(companions)) {
      run.keysIncomplete = true;
      report(run, depth, {
        severity: "error",
        code: "structure",
        rule: "json-unexpected-array",
        details: { key },
      });
    } else walkCompanion(judge, run, companions, values, property, key, depth);
    return;
  }
  if (!Array.isArray(companions)) {
    if (isObject(companions)) run.keysIncomplete = true;
    reportNoArray(run, companions, key, depth);
    return;
  }
  if (companions.length === 0) {
    report(run, depth, { severity: "error", code: "structure", rule: "json-empty-array", details: { key } });
  }
  const pairs = Array.isArray(values) ? values : undefined;
  for (let at = 0; at < companions.length; at++) {
    run.segments[depth] = property.segment;
    run.elements[depth] = property.element;
    run.indexes[depth] = at;
    const value: unknown = pairs?.[at];
    const companion: unknown = companions[at];
    if (companion === null) {
      // Where both are null, the walk over the values has said so, unless there is no value at this index.
      if (value === undefined)
        report(run, depth, { severity: "error", code: "invalid", rule: "json-null-pair" });
    } else walkCompanion(judge, run, companion, value ?? undefined, property, key, depth);
  }
  if (pairs === undefined) checkMaximum(run, property.element, companions.length, depth - 1);
}

function walkCompanion(
  judge: Judge,
  run: Run,
  companion: unknown,
  value: unknown,
  property: Property,
  key: string,
  depth: number,
): void {
  if (!isObject(companion)) {
    reportNoObject(run, companion, key, depth);
    return;
  }
  const shape = judge.elementShape;
  if (value === undefined) {
    walkObject(judge, run, companion, shape, depth);
    const { binding } = property.element;
    if (binding?.strength === "required") {
      report(run, depth, {
        severity: "error",
        code: "code-invalid",
        rule: "primitive-no-value",
        details: { valueSet: binding.test.valueSet },
      });
    }
    return;
  }
  // With a value beside it an id alone is content enough.
  if (Object.keys(companion).length === 1 && companion["id"] !== undefined) {
    run.keys++;
    checkElementId(run, companion["id"], depth);
  } else walkObject(judge, run, companion, shape, depth);
}

function checkNarrative(run: Run, div: string, depth: number): void {
  for (const { rule, subject } of narrativeProblems(div)) {
    const constraint =
      rule === "empty" ? "txt-2" : rule === "malformed" || rule === "namespace" ? undefined : "txt-1";
    report(run, depth, {
      severity: "error",
      code: constraint === undefined ? "invalid" : "invariant",
      rule: `narrative-${rule}`,
      details: { subject: subject === undefined ? undefined : quoted(subject) },
      ...(constraint !== undefined && { constraint }),
    });
  }
}

/** Evaluates invariants on a focus. */
export function checkConstraints(
  run: Run,
  constraints: readonly Constraint[],
  focus: unknown,
  focusType: string,
  companion: unknown,
  depth: number,
): void {
  const { environment } = run;
  environment.focusType = focusType;
  environment.companion = companion;
  for (const constraint of constraints) {
    let problem = "the expression is not supported";
    if (constraint.test !== undefined) {
      try {
        if (constraint.test(focus, environment)) continue;
        reportConstraint(run, constraint, depth);
        continue;
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
    }
    report(run, depth, {
      severity: "information",
      code: "not-supported",
      rule: "constraint-not-evaluated",
      details: { key: constraint.key, problem: quoted(problem) },
      profile: constraint.source,
      constraint: constraint.key,
    });
  }
}

function reportConstraint(run: Run, constraint: Constraint, depth: number): void {
  report(run, depth, {
    severity: constraint.severity,
    code: "invariant",
    rule: "constraint-failed",
    details: { key: constraint.key, expression: constraint.expression },
    profile: constraint.source,
    constraint: constraint.key,
  });
}

/** dom-2 to dom-5 and the ids of contained resources (https://hl7.org/fhir/R4/references.html#contained). */
function checkContained(run: Run, contained: readonly unknown[], depth: number): void {
  const below = depth + 1;
  const ids = new Set<string>();
  for (const [at, resource] of contained.entries()) {
    if (!isObject(resource)) continue;
    run.segments[below] = "contained";
    run.indexes[below] = at;
    const id = resource["id"];
    if (typeof id !== "string") {
      report(run, below, { severity: "error", code: "invalid", rule: "contained-id-missing" });
    } else if (ids.has(id)) {
      report(run, below, {
        severity: "error",
        code: "duplicate",
        rule: "contained-id-duplicate",
        details: { value: quoted(id) },
      });
    } else ids.add(id);
    const invariant = (
      rule: "contained-nested" | "contained-version" | "contained-security",
      constraint: string,
    ): void =>
      report(run, depth, {
        severity: "error",
        code: "invariant",
        rule,
        profile: DOMAIN_RESOURCE,
        constraint,
      });
    if (resource["contained"] !== undefined) invariant("contained-nested", "dom-2");
    const meta = resource["meta"];
    if (isObject(meta)) {
      if (meta["versionId"] !== undefined || meta["lastUpdated"] !== undefined)
        invariant("contained-version", "dom-4");
      if (meta["security"] !== undefined) invariant("contained-security", "dom-5");
    }
    if (typeof id === "string" && run.localReferences?.has(id) !== true && !refersTo(resource, "#")) {
      report(run, depth, {
        severity: "error",
        code: "invariant",
        rule: "contained-unreferenced",
        details: { id: quoted(id) },
        profile: DOMAIN_RESOURCE,
        constraint: "dom-3",
      });
    }
  }
}

/** Whether any `reference` or canonical within a resource is exactly this; bounded like the walk. */
function refersTo(value: unknown, reference: string, depth = 0): boolean {
  if (depth > 100 || typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some((item) => refersTo(item, reference, depth + 1));
  for (const item of Object.values(value as JsonObject)) {
    if (item === reference || refersTo(item, reference, depth + 1)) return true;
  }
  return false;
}
