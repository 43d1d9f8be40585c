import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compileExpression,
  compileInvariant,
  compileItems,
  compileRegex,
  compareTemporal,
  FhirPathError,
  htmlChecks,
  narrativeDefect,
  type InvariantEnvironment,
} from "../../lib/validator/fhirpath/index.ts";
import { createCompiler } from "../../lib/validator/fhirpath/compile.ts";
import { parseExpression } from "../../lib/validator/fhirpath/parse.ts";
import { correctedExpression } from "../../lib/validator/fhirpath/published.ts";
import { invariants } from "./foci.ts";
import { r4Model } from "./r4.ts";

const model = r4Model();

function judge(
  expression: string,
  focus: unknown,
  focusType: string,
  more: Partial<InvariantEnvironment> = {},
): boolean {
  return compileInvariant(expression, model)(focus, {
    resource: focus,
    rootResource: focus,
    focusType,
    ...more,
  });
}

function find(expression: string, focus: unknown, focusType: string): unknown[] {
  return compileExpression(expression, model)(focus, { resource: focus, rootResource: focus, focusType });
}

const ucum = (value: number, code: string): object => ({ value, code, system: "http://unitsofmeasure.org" });

const div = (content: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${content}</div>`;

describe("translation", () => {
  it.each(invariants.map(({ key, expression }) => [key, expression] as const))(
    "covers %s without the package: %s",
    (_key, expression) => {
      const tree = parseExpression(correctedExpression(expression));
      expect(() => createCompiler(expression, model).truth(tree)).not.toThrow();
    },
  );

  it("refuses text that is no FHIRPath, naming it", () => {
    expect(() => compileInvariant("name.exists(", model)).toThrow(FhirPathError);
    try {
      compileInvariant("name..exists()", model);
    } catch (error) {
      expect(error).toMatchObject({ code: "syntax", expression: "name..exists()" });
    }
  });

  it("falls back to the package for what it does not translate", () => {
    const patient = { resourceType: "Patient", name: [{ given: ["a", "b"] }] };
    expect(find("name.given.aggregate($total & $this, '')", patient, "Patient")).toEqual(["ab"]);
    expect(find("name.given.select($index)", patient, "Patient")).toEqual([0, 1]);
    expect(judge("@2020-01-01 + 1 day = @2020-01-02", patient, "Patient")).toBe(true);
  });
});

describe("navigation", () => {
  it("finds choice elements by their stem and tells their types", () => {
    const observation = { resourceType: "Observation", valueQuantity: { value: 1, unit: "mg" } };
    expect(find("value.unit", observation, "Observation")).toEqual(["mg"]);
    expect(find("Observation.value.ofType(Quantity).value", observation, "Observation")).toEqual([1]);
    expect(find("value.ofType(string)", observation, "Observation")).toEqual([]);
    expect(find("(Observation.value as Quantity).unit", observation, "Observation")).toEqual(["mg"]);
  });

  it("finds them in resources it has no definition of", () => {
    const find = compileExpression("value.unit");
    const resource = { resourceType: "Unheard", valueQuantity: { unit: "mg" } };
    expect(find(resource, { resource, rootResource: resource, focusType: "Unheard" })).toEqual(["mg"]);
  });

  it("sees an element that has only extensions, and its extensions", () => {
    const patient = {
      resourceType: "Patient",
      _birthDate: { extension: [{ url: "http://e.org/a", valueCode: "x" }] },
      name: [
        { given: ["a", null], _given: [null, { extension: [{ url: "http://e.org/a", valueCode: "y" }] }] },
      ],
    };
    expect(judge("birthDate.exists()", patient, "Patient")).toBe(true);
    expect(judge("birthDate.hasValue()", patient, "Patient")).toBe(false);
    expect(find("birthDate.extension('http://e.org/a').value", patient, "Patient")).toEqual(["x"]);
    expect(find("name.given.extension.value", patient, "Patient")).toEqual(["y"]);
    expect(judge("name.given.count() = 2", patient, "Patient")).toBe(true);
  });

  it("follows content references and contained resources", () => {
    const questionnaire = { resourceType: "Questionnaire", item: [{ item: [{ item: [{ linkId: "3" }] }] }] };
    expect(find("item.item.item.linkId", questionnaire, "Questionnaire")).toEqual(["3"]);
    expect(find("repeat(item).linkId", questionnaire, "Questionnaire")).toEqual(["3"]);
    expect(
      compileItems("item.item", model)(questionnaire, {
        resource: {},
        rootResource: {},
        focusType: "Questionnaire",
      })[0]?.type,
    ).toBe("Questionnaire.item");
  });

  it("resolves references through contained resources and the environment", () => {
    const resource = {
      resourceType: "Provenance",
      contained: [{ resourceType: "Device", id: "d" }],
      agent: [{ who: { reference: "#d" } }, { who: { reference: "Practitioner/1" } }],
    };
    const env = {
      resource,
      rootResource: resource,
      focusType: "Provenance",
      resolve: (reference: string) =>
        reference === "Practitioner/1" ? { resourceType: "Practitioner" } : undefined,
    };
    const evaluate = compileInvariant(
      "agent.all((who.resolve() is Practitioner) or (who.resolve() is Device))",
      model,
    );
    expect(evaluate(resource, env)).toBe(true);
    expect(evaluate({ ...resource, agent: [{ who: { reference: "Patient/2" } }] }, env)).toBe(false);
  });
});

describe("three-valued logic", () => {
  it.each([
    ["{} and false", false],
    ["({} and true).empty()", true],
    ["{} or true", true],
    ["({} or false).empty()", true],
    ["{} implies true", true],
    ["(true implies {}).empty()", true],
    ["false implies {}", true],
    ["({} xor true).empty()", true],
    ["(1 = {}).empty()", true],
    ["({} in (1 | 2)).empty()", true],
    ["(1 in {})", false],
    ["{}", false],
    ["1 + 2 * 3 = 7", true],
    ["7 mod 2 = 1 and 7 div 2 = 3", true],
    ["0.1 + 0.2 = 0.3", true],
    ["'a' & {} = 'a'", true],
    ["iif(false, 1).empty()", true],
    ["('a' | 'b' | 'a').count() = 2", true],
    ["'abc'.substring(3).empty()", true],
    ["'abc'.substring(1, 5) = 'bc'", true],
    ["@2020 = @2020-01", false],
    ["(@2020 <= @2020-01).empty()", true],
    ["@2020-01-01T10:00:00Z = @2020-01-01T11:00:00+01:00", true],
  ])("%s", (expression, expected) => {
    expect(judge(expression, {}, "Patient")).toBe(expected);
  });
});

describe("published invariants", () => {
  it("per-1: a period that ends before it starts, and one whose precisions leave it open", () => {
    const { expression } = invariants.find(({ key }) => key === "per-1") ?? { expression: "" };
    expect(judge(expression, { start: "2020-01-02", end: "2020-01-02" }, "Period")).toBe(true);
    expect(judge(expression, { start: "2020-01-02", end: "2020-01-01" }, "Period")).toBe(false);
    expect(judge(expression, { start: "2020", end: "2020-05" }, "Period")).toBe(false);
    expect(judge(expression, { start: "2019", end: "2020-05" }, "Period")).toBe(true);
    expect(
      judge(expression, { start: "2020-01-01T10:00:00+02:00", end: "2020-01-01T09:00:00Z" }, "Period"),
    ).toBe(true);
    expect(judge(expression, { start: "2020-01-01" }, "Period")).toBe(true);
  });

  it("rng-2 compares quantities of one unit, and converts between UCUM units", () => {
    const { expression } = invariants.find(({ key }) => key === "rng-2") ?? { expression: "" };
    expect(judge(expression, { low: ucum(1, "mg"), high: ucum(2, "mg") }, "Range")).toBe(true);
    expect(judge(expression, { low: ucum(3, "mg"), high: ucum(2, "mg") }, "Range")).toBe(false);
    expect(judge(expression, { low: ucum(300, "mg"), high: ucum(2, "g") }, "Range")).toBe(true);
    expect(judge(expression, { low: ucum(3, "g"), high: ucum(2, "mg") }, "Range")).toBe(false);
  });

  it("ref-1: a reference to something contained finds it; `#` and texts without reference make no claim", () => {
    const { expression } = invariants.find(({ key }) => key === "ref-1") ?? { expression: "" };
    const rootResource = { resourceType: "Patient", contained: [{ resourceType: "Organization", id: "o" }] };
    const at = (reference: object) => judge(expression, reference, "Reference", { rootResource });
    expect(at({ reference: "#o" })).toBe(true);
    expect(at({ reference: "#x" })).toBe(false);
    expect(at({ reference: "#" })).toBe(true);
    expect(at({ display: "somebody" })).toBe(true);
    expect(at({ reference: "Organization/x" })).toBe(true);
  });

  it("dom-3: every contained resource is referred to, or refers to its container", () => {
    const { expression } = invariants.find(({ key }) => key === "dom-3") ?? { expression: "" };
    const organization = { resourceType: "Organization", id: "o" };
    const patient = (more: object) => ({ resourceType: "Patient", contained: [organization], ...more });
    expect(judge(expression, patient({ managingOrganization: { reference: "#o" } }), "Patient")).toBe(true);
    expect(judge(expression, patient({}), "Patient")).toBe(false);
    expect(judge(expression, patient({ text: { div: "#o" } }), "Patient")).toBe(false);
    expect(judge(expression, patient({ extension: [{ url: "u", valueUri: "#o" }] }), "Patient")).toBe(true);
    const pointing = { ...organization, partOf: { reference: "#" } };
    expect(judge(expression, { resourceType: "Patient", contained: [pointing] }, "Patient")).toBe(true);
  });

  it("ele-1: a value or children besides the id", () => {
    const { expression } = invariants.find(({ key }) => key === "ele-1") ?? { expression: "" };
    expect(judge(expression, { id: "x" }, "Element")).toBe(false);
    expect(judge(expression, { id: "x", extension: [{}] }, "Element")).toBe(true);
    expect(judge(expression, "x", "string")).toBe(true);
    expect(judge(expression, undefined, "string", { companion: { id: "a" } })).toBe(false);
    expect(judge(expression, undefined, "string", { companion: { extension: [{}] } })).toBe(true);
  });

  it("us-core-16 and us-core-17: an NPI has ten digits and the right check digit", () => {
    const digits = invariants.find(({ key }) => key === "us-core-16")?.expression ?? "";
    const luhn = invariants.find(({ key }) => key === "us-core-17")?.expression ?? "";
    expect(judge(digits, { value: "1234567893" }, "Identifier")).toBe(true);
    expect(judge(luhn, { value: "1234567893" }, "Identifier")).toBe(true);
    expect(judge(luhn, { value: "1234567890" }, "Identifier")).toBe(false);
    expect(judge(luhn, { value: "12345" }, "Identifier")).toBe(false);
    expect(judge(digits, { value: "1234567893\n" }, "Identifier")).toBe(false);
    expect(judge(digits, { value: "12345678931" }, "Identifier")).toBe(false);
  });

  it("us-core-1: a dateTime to the day, whatever other types may be", () => {
    const expression = "$this is DateTime implies $this.toString().length() >= 10";
    expect(judge(expression, "2020-01", "dateTime")).toBe(false);
    expect(judge(expression, "2020-01-01", "dateTime")).toBe(true);
    expect(judge(expression, { start: "2020" }, "Period")).toBe(true);
  });

  it("us-core-13: any number of them is enough", () => {
    const expression = "practitioner or organization or healthcareService or location";
    const location = [{ reference: "Location/1" }, { reference: "Location/2" }];
    expect(judge(expression, { resourceType: "PractitionerRole", location }, "PractitionerRole")).toBe(true);
    expect(judge(expression, { resourceType: "PractitionerRole" }, "PractitionerRole")).toBe(false);
  });

  it("dom-6 is about resources that stand by themselves", () => {
    const expression = "text.`div`.exists()";
    const patient = { resourceType: "Patient" };
    expect(judge(expression, patient, "Patient")).toBe(false);
    expect(judge(expression, patient, "Patient", { rootResource: { resourceType: "Bundle" } })).toBe(true);
  });

  it("que-7: `Boolean` means FHIR's boolean", () => {
    const expression = "operator = 'exists' implies (answer is Boolean)";
    const at = (focus: object) => judge(expression, focus, "Questionnaire.item.enableWhen");
    expect(at({ operator: "exists", answerBoolean: true })).toBe(true);
    expect(at({ operator: "exists", answerString: "x" })).toBe(false);
  });

  it("asks for value set membership, and says so where nobody can tell", () => {
    const expression = "where(category.memberOf('http://e.org/vs')).exists()";
    const condition = { resourceType: "Condition", category: [{ text: "a" }] };
    expect(judge(expression, condition, "Condition", { memberOf: () => true })).toBe(true);
    expect(judge(expression, condition, "Condition", { memberOf: () => false })).toBe(false);
    expect(() => judge(expression, condition, "Condition")).toThrow(
      expect.objectContaining({ code: "not-available" }),
    );
  });

  it("corrects only what is in the list of known mistakes", () => {
    const corrected = invariants.filter(({ expression }) => correctedExpression(expression) !== expression);
    expect(corrected.map(({ key }) => key).toSorted()).toEqual([
      "adf-0",
      "dom-6",
      "eld-19",
      "eld-20",
      "pd-1",
      "que-12",
      "ras-2",
    ]);
  });
});

describe("what does not depend on the item", () => {
  const expression = "component.where(code.coding.intersect(%resource.code.coding).exists()).id";

  it("is found anew for each evaluation, also of an object that was changed meanwhile", () => {
    const coding = (code: string): object => ({ coding: [{ system: "urn:s", code }] });
    const observation = {
      resourceType: "Observation",
      code: coding("a"),
      component: [
        { id: "1", code: coding("a") },
        { id: "2", code: coding("b") },
      ],
    };
    const evaluate = compileExpression(expression, model);
    const env = { resource: observation, rootResource: observation, focusType: "Observation" };
    expect(evaluate(observation, env)).toEqual(["1"]);
    observation.code = coding("b");
    expect(evaluate(observation, env)).toEqual(["2"]);
  });

  it("costs no product of both sides", () => {
    const coding = Array.from({ length: 5000 }, (_, i) => ({ system: "urn:s", code: `c${i}` }));
    const component = Array.from({ length: 5000 }, (_, i) => ({
      code: { coding: [{ system: "urn:t", code: `c${i}` }] },
    }));
    const obs7 = invariants.find(({ key }) => key === "obs-7")?.expression ?? "";
    // 25 million comparisons would time this test out.
    for (let i = 0; i < 20; i++) {
      expect(
        judge(
          obs7,
          { resourceType: "Observation", valueString: "x", code: { coding }, component },
          "Observation",
        ),
      ).toBe(true);
    }
  });
});

describe("any JSON", () => {
  it("gets an answer or a FhirPathError from every invariant", () => {
    const compiled = invariants.map(({ expression, paths }) => ({
      judge: compileInvariant(expression, model),
      focusType: paths[0] ?? "Patient",
    }));
    const names =
      "id extension url value valueQuantity code coding system reference contained resourceType name _name type start end item linkId".split(
        " ",
      );
    const { tree } = fc.letrec((tie) => ({
      leaf: fc.oneof(
        fc.string(),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        fc.constantFrom("Patient", "#a", "2020", "<div>"),
      ),
      tree: fc.oneof(
        { maxDepth: 5 },
        tie("leaf"),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie("tree")),
      ),
    }));
    fc.assert(
      fc.property(tree, (focus) => {
        for (const { judge, focusType } of compiled) {
          try {
            expect(
              typeof judge(focus, { resource: focus, rootResource: focus, focusType, companion: focus }),
            ).toBe("boolean");
          } catch (error) {
            if (!(error instanceof FhirPathError)) throw error;
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("dates", () => {
  it.each([
    ["2020", "2021", -1],
    ["2020", "2020-01", undefined],
    ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000Z", 0],
    ["2020-01-01T00:00:00+14:00", "2019-12-31T10:00:00Z", 0],
    ["2020-01-01T23:30:00-01:00", "2020-01-02T00:30:00Z", 0],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", 0],
    ["10:00:00", "10:00:01", -1],
    ["not a date", "2020", undefined],
  ])("%s against %s", (left, right, expected) => {
    const order = compareTemporal(left, right);
    expect(order === undefined ? undefined : Math.sign(order)).toBe(expected);
  });
});

describe("narrative", () => {
  it.each([
    ["plain text", div("x"), undefined],
    ["an image alone", div('<img src="a.png" alt="a"/>'), undefined],
    ["entities", div("a &amp; b &#160; &lt;"), undefined],
    ["a table", div('<table border="1"><tr><td colspan="2">x</td></tr></table>'), undefined],
    ["an XML comment", div("<!-- c -->x"), undefined],
    ["nothing", div(" &nbsp; "), "empty"],
    ["a script", div("x<script>1</script>"), "element-not-allowed"],
    ["a handler", div('<p onclick="x()">x</p>'), "attribute-not-allowed"],
    ["no namespace", "<div>x</div>", "namespace-missing"],
    ["another root", '<p xmlns="http://www.w3.org/1999/xhtml">x</p>', "root-not-div"],
    ["an unclosed element", div("<p>x"), "not-well-formed"],
    ["crossed elements", div("<b><i>x</b></i>"), "not-well-formed"],
    ["a bare ampersand", div("a & b"), "not-well-formed"],
    ["an unquoted attribute", div("<p id=x>x</p>"), "not-well-formed"],
    ["text", "x", "not-well-formed"],
    ["two roots", div("x") + div("y"), "not-well-formed"],
  ])("%s", (_what, text, expected) => {
    expect(narrativeDefect(text)).toBe(expected);
    expect(htmlChecks(text)).toBe(expected === undefined);
  });
});

describe("regular expressions", () => {
  it.each([
    ["^[0-9]{10}$", "1234567890", true],
    ["^[0-9]{10}$", "12345678901", false],
    ["b", "abc", true],
    ["^(a|b)*c$", "ababc", true],
    ["^(a|b)*c$", "ababd", false],
    ["^(\\w+\\.)+\\d{2,3}$", "a.bc.123", true],
    ["^(\\w+\\.)+\\d{2,3}$", "a.bc.1234", false],
    ["^[^\\s.]{1,64}(\\.[a-z]+)*$", "Patient.name", true],
    ["\\bcat\\b.*dog.*", "a cat\nand dog", true],
    ["^(?:x?){3}y$", "xxy", true],
    ["^(?:x?){3}y$", "xxxxy", false],
  ])("%s on %s", (pattern, text, expected) => {
    expect(compileRegex(pattern)(text)).toBe(expected);
  });

  it("takes time in proportion to the text where a backtracking engine would not end", () => {
    expect(compileRegex("^(a+)+$")(`${"a".repeat(20_000)}!`)).toBe(false);
    expect(compileRegex("(x+x+)+y")("x".repeat(5000))).toBe(false);
  });

  it("refuses what it cannot bound", () => {
    expect(() => compileInvariant(String.raw`matches('(a)\\1')`, model)).toThrow(
      expect.objectContaining({ code: "too-costly" }),
    );
    expect(() => compileInvariant("matches('(?=a)b')", model)).toThrow(
      expect.objectContaining({ code: "too-costly" }),
    );
  });
});
