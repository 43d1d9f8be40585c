import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUcum } from "../../lib/validator/ucum.ts";
import { bloodPressure, changed, errorsOf } from "./resources.ts";

describe("UCUM codes", () => {
  it.each([
    ..."1 % mg mg/dL mm[Hg] cm[H2O] 10*3/uL 10^3/uL kg/m2 /min U/L [iU]/mL [degF] Cel {score} mL/min/{1.73_m2} ug/(kg.h)".split(
      " ",
    ),
    ..."m2 s-1 m/s2 [in_i'Hg] meq/L K/uL %{saturation} [lb_av] /[HPF] nmol/mmol{creat} 2.5".split(" "),
    "{urine specific gravity}",
  ])("accepts %s", (code) => {
    expect(isUcum(code)).toBe(true);
  });

  it.each([
    "",
    "mmHg",
    "beats/min",
    "lbs",
    "inches",
    "IU/L",
    "mEq/L",
    "degF",
    " mg",
    "mg ",
    "mg/",
    "mg//dL",
    "{a",
    "a}",
    "(mg",
    "mg)",
    "k%",
    "[unknown]",
  ])("refuses %j", (code) => {
    expect(isUcum(code)).toBe(false);
  });

  it("never throws and never takes long", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."mgkL/.*^()[]{}+-019 %'".split("")) }), (text) => {
        expect(typeof isUcum(text)).toBe("boolean");
      }),
    );
    expect(isUcum("(".repeat(100_000))).toBe(false);
    expect(isUcum("[".repeat(400))).toBe(false);
  });

  it("are judged where a quantity has one", () => {
    expect(
      errorsOf(
        changed(bloodPressure(), "component.2", {
          code: { text: "other" },
          valueQuantity: { value: 1, unit: "inches", system: "http://unitsofmeasure.org", code: "inches" },
        }),
      ),
    ).toContain("code-unknown @ Observation.component[2].value.ofType(Quantity)");
  });
});
