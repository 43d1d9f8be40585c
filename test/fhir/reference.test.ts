import { expect, test } from "vitest";
import { readReference } from "../../lib/fhir/reference.ts";

const base = "https://fhir.example.org/provider/v2/1";

test.each([
  ["Patient/1", { kind: "restful", type: "Patient", id: "1" }],
  ["Patient/1/_history/2", { kind: "restful", type: "Patient", id: "1", version: "2" }],
  [`${base}/Patient/1`, { kind: "restful", type: "Patient", id: "1" }],
  ["HTTPS://FHIR.example.org:443/provider/v2/1/Patient/1", { kind: "restful", type: "Patient", id: "1" }],
  ["https://FHIR.example.org:443/provider/v2/1/Patient/1", { kind: "restful", type: "Patient", id: "1" }],
  [
    "https://elsewhere.example/r4/Patient/1",
    { kind: "restful", type: "Patient", id: "1", base: "https://elsewhere.example/r4" },
  ],
  ["#med", { kind: "contained", id: "med" }],
  ["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", { kind: "urn" }],
  ["a practitioner", { kind: "other" }],
])("%s is read by its form", (text, expected) => {
  expect(readReference(text, base)).toMatchObject(expected);
});
