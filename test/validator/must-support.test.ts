import { describe, expect, it } from "vitest";
import { mustSupport } from "../../lib/validator/index.ts";
import { loadBuiltIn } from "../../lib/validator/pack/load.ts";
import { bloodPressure, changed, documentReference, patient, usCoreProfile } from "./resources.ts";

const definitions = loadBuiltIn(["us-core-6.1.0"]);
const observer = (name: string) => mustSupport(definitions, usCoreProfile(name));

describe("must-support", () => {
  it("lists elements, slices, choice types, extensions and targets of a profile", () => {
    const ids = new Map(observer("us-core-patient").items.map(({ id, kind }) => [id, kind]));
    expect(ids.get("Patient.identifier.system")).toBe("element");
    expect(ids.get("Patient.name.family")).toBe("element");
    expect(ids.get("Patient.extension:race")).toBe("extension");
    const pressure = new Map(observer("us-core-blood-pressure").items.map(({ id, kind }) => [id, kind]));
    expect(pressure.get("Observation.component:systolic")).toBe("slice");
    expect(pressure.get("Observation.component:systolic.value[x].code")).toBe("element");
    const note = observer("us-core-documentreference").items;
    expect(note.filter(({ kind }) => kind === "target").length).toBeGreaterThan(0);
    const laboratory = observer("us-core-observation-lab").items;
    expect(laboratory.filter(({ kind }) => kind === "choice").map(({ of }) => of)).toContain("Quantity");
  });

  it("marks what a resource populates, and keeps what none did", () => {
    const seen = observer("us-core-patient");
    const found = seen.observe(patient());
    expect(found).toContain("Patient.extension:race");
    expect(found).toContain("Patient.name.family");
    expect(found).not.toContain("Patient.name.suffix");
    expect(seen.missing().map(({ id }) => id)).toContain("Patient.name.suffix");
    seen.observe(changed(patient(), "name.0.suffix", ["MD"]));
    expect(seen.missing().map(({ id }) => id)).not.toContain("Patient.name.suffix");
    expect(seen.seen.get("Patient.name.family")).toBe(2);
  });

  it("tells slices apart", () => {
    const seen = observer("us-core-blood-pressure");
    const found = seen.observe(changed(bloodPressure(), "component.1", undefined));
    expect(found).toContain("Observation.component:systolic");
    expect(found).not.toContain("Observation.component:diastolic");
  });

  it("does not count a value that is there only to say why it is absent", () => {
    const absent = {
      extension: [
        { url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: "unknown" },
      ],
    };
    const seen = observer("us-core-patient");
    expect(seen.observe(changed(patient(), "name", [{ _family: absent, given: ["A"] }]))).not.toContain(
      "Patient.name.family",
    );
    expect(seen.observe(changed(patient(), "name", [absent]))).not.toContain("Patient.name");
  });

  it("ignores what is no resource of the profile's type", () => {
    const seen = observer("us-core-documentreference");
    expect(seen.observe(patient())).toEqual([]);
    expect(seen.observe(undefined)).toEqual([]);
    expect(seen.observe(documentReference()).length).toBeGreaterThan(5);
  });

  it("refuses a profile that the definitions do not have", () => {
    expect(() => observer("no-such-profile")).toThrow(RangeError);
  });
});
