import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bloodPressure,
  changed,
  condition,
  documentReference,
  errorsOf,
  medicationRequest,
  patient,
  practitioner,
  usCore,
  usCoreProfile,
} from "./resources.ts";
import type { Json, JsonRecord } from "./resources.ts";

const RUNS = { numRuns: 60, seed: 20261122 };
const clean = [patient, practitioner, bloodPressure, condition, medicationRequest, documentReference];
const anyResource = fc.constantFrom(...clean).map((make) => make());

/** A place in a resource: its path through the JSON, and how a finding names it. */
interface Place {
  readonly path: string;
  readonly expression: string;
  readonly value: Json;
}

/** Every place below a resource; the narrative's text and `resourceType` are left to tests of their own. */
function placesIn(resource: JsonRecord): readonly Place[] {
  const places: Place[] = [];
  const visit = (value: Json, path: string, expression: string): void => {
    places.push({ path, expression, value });
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) visit(item, `${path}.${at}`, `${expression}[${at}]`);
    } else if (typeof value === "object" && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        if (key === "resourceType" || key === "div") continue;
        visit(item, path === "" ? key : `${path}.${key}`, `${expression}.${segment(key)}`);
      }
    }
  };
  visit(resource, "", typeOf(resource));
  return places;
}

const typeOf = (resource: JsonRecord): string => resource["resourceType"] as string;

function segment(key: string): string {
  const choice = /^(value|deceased|effective|onset|medication)([A-Z]\w*)$/.exec(key);
  if (choice === null) return key;
  const [, name = "", type = ""] = choice;
  const primitives = ["String", "Code", "Boolean", "DateTime"];
  return `${name}.ofType(${primitives.includes(type) ? type.charAt(0).toLowerCase() + type.slice(1) : type})`;
}

const placeWhere = (holds: (place: Place) => boolean) =>
  anyResource.chain((resource) =>
    fc.constantFrom(...placesIn(resource).filter(holds)).map((place) => ({ resource, place })),
  );
const isRecord = (value: Json): value is JsonRecord =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isLeaf = ({ value }: Place): boolean => typeof value !== "object";
const below = ({ path }: Place): boolean => path !== "";

/** All errors, and those among them at a place. */
const at = (errors: readonly string[], expression: string): readonly string[] =>
  errors.filter((error) => error.endsWith(` @ ${expression}`));

describe("one random defect in a valid resource is found where it is", () => {
  it("an unknown element", () => {
    const objects = placeWhere(({ value }) => isRecord(value));
    fc.assert(
      fc.property(
        objects,
        fc.stringMatching(/^zz[a-z]{1,8}$/),
        fc.jsonValue({ maxDepth: 1 }),
        ({ resource, place }, key, value) => {
          const path = place.path === "" ? key : `${place.path}.${key}`;
          expect(errorsOf(changed(resource, path, value as Json))).toEqual([
            `element-unknown @ ${place.expression}`,
          ]);
        },
      ),
      RUNS,
    );
  });

  it("a primitive of the wrong JSON type", () => {
    fc.assert(
      fc.property(
        placeWhere((place) => isLeaf(place) && !/(^|\.)(url|profile\.\d+)$/.test(place.path)),
        ({ resource, place }) => {
          const wrong = typeof place.value === "string" ? 7 : "text";
          const errors = errorsOf(changed(resource, place.path, wrong));
          expect(at(errors, place.expression)).toContain(`json-expected-primitive @ ${place.expression}`);
        },
      ),
      RUNS,
    );
  });

  it("an object where an array belongs, and an array where none belongs", () => {
    fc.assert(
      fc.property(
        placeWhere((place) => below(place) && Array.isArray(place.value)),
        ({ resource, place }) => {
          const errors = errorsOf(changed(resource, place.path, (place.value as Json[])[0]));
          expect(errors).toContain(`json-expected-array @ ${place.expression}`);
        },
      ),
      RUNS,
    );
    fc.assert(
      fc.property(
        placeWhere((place) => isRecord(place.value) && below(place) && !/\.\d+$/.test(place.path)),
        ({ resource, place }) => {
          const errors = errorsOf(changed(resource, place.path, [place.value]));
          expect(errors).toContain(`json-unexpected-array @ ${place.expression}`);
        },
      ),
      RUNS,
    );
  });

  it("an empty string, object or array, and null", () => {
    const cases = [
      ["", isLeaf, "primitive-empty"],
      [
        {},
        (place: Place) => isRecord(place.value) && place.value["resourceType"] === undefined,
        "json-empty-object",
      ],
      [[], (place: Place) => Array.isArray(place.value), "json-empty-array"],
      [null, (place: Place) => !/\.\d+$/.test(place.path), "json-null"],
    ] as const;
    for (const [value, holds, rule] of cases) {
      const places = placeWhere(
        (place) => below(place) && holds(place) && (value !== "" || typeof place.value === "string"),
      );
      fc.assert(
        fc.property(places, ({ resource, place }) => {
          const errors = errorsOf(changed(resource, place.path, value as Json));
          expect(errors).toContain(`${rule} @ ${place.expression}`);
        }),
        RUNS,
      );
    }
  });

  it("a day that does not exist", () => {
    const impossible = fc
      .tuple(
        fc.integer({ min: 1800, max: 2200 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 29, max: 31 }),
      )
      .filter(([year, month, day]) => new Date(Date.UTC(year, month - 1, day)).getUTCMonth() !== month - 1)
      .map(([year, month, day]) => `${year}-${String(month).padStart(2, "0")}-${day}`);
    fc.assert(
      fc.property(impossible, (date) => {
        expect(errorsOf(changed(patient(), "birthDate", date))).toEqual([
          "primitive-calendar @ Patient.birthDate",
        ]);
        expect(errorsOf(changed(condition(), "onsetDateTime", `${date}T10:00:00Z`))).toEqual([
          "primitive-calendar @ Condition.onset.ofType(dateTime)",
        ]);
      }),
      RUNS,
    );
  });

  it("and a day that does exist is accepted", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1800-01-01"), max: new Date("2200-01-01"), noInvalidDate: true }),
        (date) => {
          const iso = date.toISOString();
          expect(errorsOf(changed(patient(), "birthDate", iso.slice(0, 10)))).toEqual([]);
          expect(errorsOf(changed(bloodPressure(), "effectiveDateTime", iso))).toEqual([]);
        },
      ),
      RUNS,
    );
  });

  it("a date that is written in another way", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !/^\d{4}(-\d\d){0,2}$/.test(text)),
        (text) => {
          expect(errorsOf(changed(patient(), "birthDate", text))).toEqual([
            "primitive-format @ Patient.birthDate",
          ]);
        },
      ),
      RUNS,
    );
  });

  it("a required element missing", () => {
    const required = fc.constantFrom(
      ...([
        [patient, "gender"],
        [patient, "name"],
        [patient, "identifier.0.value"],
        [practitioner, "name"],
        [practitioner, "name.0.family"],
        [bloodPressure, "status"],
        [bloodPressure, "subject"],
        [condition, "code"],
        [medicationRequest, "intent"],
        [medicationRequest, "subject"],
        [documentReference, "content.0.attachment"],
        [documentReference, "type"],
      ] as [() => JsonRecord, string][]),
    );
    fc.assert(
      fc.property(required, ([make, path]) => {
        const holder = path.includes(".")
          ? path.slice(0, path.lastIndexOf(".")).replaceAll(/\.(\d+)/g, "[$1]")
          : "";
        const expression = `${typeOf(make())}${holder === "" ? "" : `.${holder}`}`;
        expect(errorsOf(changed(make(), path, undefined))).toContain(`cardinality-min @ ${expression}`);
      }),
      RUNS,
    );
  });

  it("a code outside a required value set", () => {
    const bound = fc.constantFrom(
      ...([
        [patient, "gender"],
        [patient, "name.0.use"],
        [patient, "telecom.0.use"],
        [bloodPressure, "status"],
        [medicationRequest, "status"],
        [documentReference, "status"],
      ] as [() => JsonRecord, string][]),
    );
    fc.assert(
      fc.property(bound, fc.stringMatching(/^[a-z]{1,10}$/), ([make, path], letters) => {
        const expression = `${typeOf(make())}.${path.replaceAll(/\.(\d+)/g, "[$1]")}`;
        expect(errorsOf(changed(make(), path, `q${letters}q`))).toEqual([`binding-required @ ${expression}`]);
      }),
      RUNS,
    );
  });

  it("an NPI whose check digit is wrong, and no other", () => {
    const isSound = (npi: string): boolean => {
      let sum = 24;
      for (let index = 0; index < 10; index++) {
        const digit = Number(npi.charAt(9 - index));
        const doubled = digit * 2;
        sum += index % 2 === 1 ? (doubled > 9 ? doubled - 9 : doubled) : digit;
      }
      return sum % 10 === 0;
    };
    fc.assert(
      fc.property(fc.stringMatching(/^1[0-9]{9}$/), (npi) => {
        const errors = errorsOf(changed(practitioner(), "identifier.0.value", npi));
        expect(errors).toEqual(isSound(npi) ? [] : ["us-core-17 @ Practitioner.identifier[0]"]);
      }),
      { ...RUNS, numRuns: 200 },
    );
  });

  it("a Period that ends before it starts", () => {
    const date = fc
      .date({ min: new Date("1900-01-01"), max: new Date("2100-01-01"), noInvalidDate: true })
      .map((value) => value.toISOString().slice(0, 10));
    fc.assert(
      fc.property(date, date, (one, other) => {
        const errors = errorsOf(changed(patient(), "name.0.period", { start: one, end: other }));
        expect(errors).toEqual(one <= other ? [] : ["per-1 @ Patient.name[0].period"]);
      }),
      RUNS,
    );
  });

  it("a slice too few or too many", () => {
    const loinc = fc.constantFrom("8478-0", "8867-4", "2339-0", "4548-4", "72166-2", "LP29684-5");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1 }), loinc, (component, code) => {
        const other = changed(bloodPressure(), `component.${component}.code.coding.0.code`, code);
        expect(errorsOf(other)).toEqual(["slice-min @ Observation"]);
        const components = bloodPressure()["component"] as Json[];
        const twice = changed(bloodPressure(), "component", [...components, components[component] as Json]);
        expect(errorsOf(twice)).toEqual(["slice-max @ Observation"]);
      }),
      RUNS,
    );
  });

  it("a pattern or fixed value not met", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("kPa", "Pa", "bar", "[psi]", "cm[H2O]", "m[Hg]", "1", "{pressure}"),
        (unit) => {
          expect(errorsOf(changed(bloodPressure(), "component.1.valueQuantity.code", unit))).toEqual([
            "value-fixed @ Observation.component[1].value.ofType(Quantity).code",
          ]);
          // None of them is a code of LOINC either.
          expect(errorsOf(changed(bloodPressure(), "code.coding.0.code", unit))).toEqual([
            "code-unknown @ Observation.code.coding[0]",
            "value-pattern @ Observation.code",
          ]);
        },
      ),
      RUNS,
    );
  });

  it("a value type that an extension does not have", () => {
    const values: [string, Json][] = [
      ["valueString", "F"],
      ["valueBoolean", true],
      ["valueInteger", 1],
      ["valueDate", "2020-01-01"],
      ["valueCoding", { system: "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender", code: "F" }],
      ["valueQuantity", { value: 1 }],
      ["valuePeriod", { start: "2020" }],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...values), ([key, value]) => {
        const extension = { url: usCoreProfile("us-core-birthsex"), [key]: value };
        expect(errorsOf(changed(patient(), "extension.1", extension))).toEqual([
          "extension-value-type @ Patient.extension[1]",
        ]);
      }),
      RUNS,
    );
  });

  it("a reference to a type that is not allowed", () => {
    const types = fc.constantFrom(
      "Medication",
      "Encounter",
      "Organization",
      "Claim",
      "Practitioner",
      "Observation",
    );
    const form = fc.constantFrom("", "https://a.example.org/fhir/", "http://127.0.0.1:8080/r4/");
    fc.assert(
      fc.property(types, form, fc.stringMatching(/^[A-Za-z0-9.-]{1,20}$/), (type, base, id) => {
        const errors = errorsOf(changed(condition(), "subject.reference", `${base}${type}/${id}`));
        expect(errors).toEqual(["reference-target @ Condition.subject"]);
        expect(errorsOf(changed(condition(), "subject.reference", `${base}Patient/${id}`))).toEqual([]);
      }),
      RUNS,
    );
  });

  it("an element that a narrative may not have", () => {
    const tags = fc.constantFrom(
      "script",
      "form",
      "input",
      "iframe",
      "style",
      "object",
      "svg",
      "body",
      "button",
    );
    fc.assert(
      fc.property(tags, fc.constantFrom("p", "div", "td", "li"), (tag, around) => {
        const div = `<div xmlns="http://www.w3.org/1999/xhtml"><${around}>a<${tag}>b</${tag}></${around}></div>`;
        expect(errorsOf(changed(patient(), "text.div", div))).toEqual(["txt-1 @ Patient.text.div"]);
      }),
      RUNS,
    );
  });

  it("and nothing is found because keys stand in another order", () => {
    const shuffled = anyResource.chain((resource) =>
      fc
        .shuffledSubarray(Object.keys(resource), { minLength: Object.keys(resource).length })
        .map((keys) => Object.fromEntries(keys.map((key) => [key, resource[key]]))),
    );
    fc.assert(
      fc.property(shuffled, (resource) => {
        expect(usCore().validateText(JSON.stringify(resource)).findings).toEqual([]);
      }),
      RUNS,
    );
  });
});
