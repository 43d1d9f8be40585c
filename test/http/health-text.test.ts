import { expect, test } from "vitest";
import { healthText } from "../../lib/http/evidence.ts";

test("a finding shows a value of a patient's record only where evidence may hold health data", () => {
  expect(healthText("1987-03-02", "full")).toBe("1987-03-02");
  expect(healthText({ family: "Okafor" }, "full")).toBe('{"family":"Okafor"}');
  for (const value of ["1987-03-02", "Okafor", { family: "Okafor" }, 6172839, "Patient/p-1987-03-02"]) {
    for (const mode of ["masked", "none"] as const) {
      expect(healthText(value, mode)).not.toMatch(/1987-03|Okafor|6172839/);
    }
  }
});

test("a masked reference keeps its type, and the same value has the same text", () => {
  const first = healthText("Observation/okafor-1", "masked");
  expect(first).toMatch(/^Observation\/p[0-9a-f]+$/);
  expect(healthText("Observation/okafor-1", "masked")).toBe(first);
  expect(healthText("Okafor", "masked")).toBe(healthText("Okafor", "masked"));
});

test("a long value is cut", () => {
  expect(healthText("x".repeat(1000), "full").length).toBeLessThan(250);
});
