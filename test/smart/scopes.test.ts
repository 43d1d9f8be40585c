import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { beyond, covers, difference, normalizeScopes } from "../../lib/smart/scopes/algebra.ts";
import { formatScope, parseScope, type Scope } from "../../lib/smart/scopes/scope.ts";

const CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category";

const parseAll = (texts: readonly string[]): Scope[] =>
  texts.map((text) => {
    const scope = parseScope(text);
    if (scope === undefined) throw new Error(`${text} is no scope`);
    return scope;
  });
const normal = (...texts: string[]) => normalizeScopes(parseAll(texts)).map(formatScope);

const levels = fc.constantFrom("patient", "user", "system");
const types = fc.constantFrom("*", "Patient", "Observation", "Condition", "ExplanationOfBenefit");
const letters = fc.subarray(["c", "r", "u", "d", "s"], { minLength: 1 }).map((chosen) => chosen.join(""));
const values = fc
  .array(fc.constantFrom("a", "b", `${CATEGORY}|laboratory`, "x%26y", "2%25", "c%C3%A9", "d%5C,e"), {
    minLength: 1,
    maxLength: 3,
  })
  .map((chosen) => chosen.join(","));
const restrictions = fc
  .array(fc.tuple(fc.constantFrom("category", "code", "_tag", "category:in"), values), { maxLength: 3 })
  .map((pairs) => (pairs.length === 0 ? "" : `?${pairs.map((pair) => pair.join("=")).join("&")}`));
const clinical = fc.oneof(
  fc.tuple(levels, types, letters, restrictions).map(([level, type, l, r]) => `${level}/${type}.${l}${r}`),
  fc
    .tuple(levels, types, fc.constantFrom("read", "write", "*"))
    .map(([level, type, permission]) => `${level}/${type}.${permission}`),
);
const others = fc.constantFrom(
  "launch",
  "launch/patient",
  "launch/encounter",
  "openid",
  "fhirUser",
  "profile",
  "offline_access",
  "online_access",
  "https://example.org/scope",
  "__own",
);
const scopes = fc.oneof({ weight: 4, arbitrary: clinical }, { weight: 1, arbitrary: others });
const grants = fc.array(scopes, { maxLength: 6 });

describe("a scope", () => {
  test("is written as it was read", () => {
    fc.assert(fc.property(scopes, (text) => formatScope(parseAll([text])[0] as Scope) === text));
  });

  test.each([
    "patient/Observation.sr",
    "patient/Observation.rr",
    "patient/Observation.srduc",
    "patient/Observation.",
    "patient/Observation",
    "patient/.rs",
    "patient/observation.rs",
    "patient/Observation.RS",
    "patient/Observation.Read",
    "patient/Observation.readwrite",
    "patient/Observation.x",
    "Patient/Observation.rs",
    "PATIENT/Observation.rs",
    "patients/Observation.rs",
    "practitioner/Observation.rs",
    "/Observation.rs",
    "patient/Observation/1.rs",
    "patient/**.rs",
    "patient/Obs*.rs",
    "patient/Observation.read?category=a",
    "patient/Observation.*?category=a",
    "patient/Observation.rs?",
    "patient/Observation.rs?category",
    "patient/Observation.rs?category=",
    "patient/Observation.rs?category=,",
    "patient/Observation.rs?=a",
    "patient/Observation.rs?category=a&",
    "patient/Observation.rs?category=a?b",
    'patient/Observation.rs?category="a"',
    "patient/Observation.rs?category=a b",
    " patient/Observation.rs",
    "patient/Observation.rs ",
    "",
    " ",
    "OpenID",
    "fhiruser",
    "launch/Patient",
    "offline",
    "*",
    "*/*.*",
  ])("that is not well-formed is none: %j", (text) => {
    expect(parseScope(text)).toBeUndefined();
  });

  test("that is well-formed is none any more with a letter out of order or repeated", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Array.from("cruds")), { minLength: 1 }), (chosen) => {
        const inOrder = Array.from("cruds")
          .filter((letter) => chosen.includes(letter))
          .join("");
        const text = chosen.join("");
        expect(parseScope(`user/Encounter.${text}`) !== undefined).toBe(text === inOrder);
      }),
    );
  });

  test("is never made of arbitrary text that does not read like one", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const scope = parseScope(text);
        return scope === undefined || formatScope(scope) === text;
      }),
    );
  });

  test.each([
    ["read", "rs"],
    ["write", "cud"],
    ["*", "cruds"],
  ])("with %s of SMART 1.0.0 permits %s", (first, second) => {
    expect(normal(`patient/Condition.${first}`)).toEqual([`patient/Condition.${second}`]);
  });
});

describe("the normal form", () => {
  test.each([
    [["patient/Observation.r", "patient/Observation.s"], ["patient/Observation.rs"]],
    [["patient/*.rs", "patient/Observation.read"], ["patient/*.rs"]],
    [
      ["patient/*.r", "patient/Observation.rs"],
      ["patient/*.r", "patient/Observation.s"],
    ],
    [
      ["patient/Observation.rs?category=b,a"],
      ["patient/Observation.rs?category=a", "patient/Observation.rs?category=b"],
    ],
    [["patient/Observation.rs?category=a", "patient/Observation.rs"], ["patient/Observation.rs"]],
    [["patient/Observation.rs?code=2&category=a"], ["patient/Observation.rs?category=a&code=2"]],
    [[`patient/Observation.rs?category=${CATEGORY}%7Cx`], [`patient/Observation.rs?category=${CATEGORY}|x`]],
    [
      ["openid", "launch/patient", "openid"],
      ["launch/patient", "openid"],
    ],
  ])("of %j is %j", (texts, expected) => {
    expect(normal(...texts)).toEqual(expected);
  });

  test("of a normal form is itself, also when it is written and read in between", () => {
    fc.assert(
      fc.property(grants, (texts) => {
        const once = normal(...texts);
        expect(normal(...once)).toEqual(once);
      }),
    );
  });

  test("permits what was normalized, and no more", () => {
    fc.assert(
      fc.property(grants, (texts) => {
        const given = parseAll(texts);
        const once = normalizeScopes(given);
        return covers(once, given) && covers(given, once);
      }),
    );
  });

  test("is made in bounded time, however many values a server restricts by", () => {
    const many = Array.from({ length: 60 }, (_, index) => String(index)).join(",");
    const text = `system/Observation.rs?a=${many}&b=${many}&c=${many}`;
    const wide = parseAll([text]);
    expect(covers(wide, parseAll(["system/Observation.r?a=3&b=4&c=5"]))).toBe(true);
    expect(covers(wide, parseAll(["system/Observation.r?a=3&b=4&c=60"]))).toBe(false);
    expect(normal(...normal(text))).toEqual(normal(text));
  });
});

describe("inclusion", () => {
  test("is reflexive", () => {
    fc.assert(fc.property(grants, (texts) => covers(parseAll(texts), parseAll(texts))));
  });

  test("is transitive", () => {
    fc.assert(
      fc.property(grants, grants, grants, (first, second, third) => {
        const [a, b, c] = [parseAll(first), parseAll([...first, ...second]), parseAll([...second, ...third])];
        const chains = [
          [a, b, c],
          [c, b, a],
          [b, a, c],
        ] as const;
        for (const [x, y, z] of chains) {
          if (covers(x, y) && covers(y, z)) expect(covers(x, z)).toBe(true);
        }
        expect(covers(b, a)).toBe(true);
      }),
    );
  });

  test("is antisymmetric on normal forms", () => {
    fc.assert(
      fc.property(grants, grants, (first, second) => {
        const [a, b] = [parseAll(first), parseAll(second)];
        const same = covers(a, b) && covers(b, a);
        expect(JSON.stringify(normal(...first)) === JSON.stringify(normal(...second))).toBe(same);
      }),
    );
  });

  test("agrees with difference: nothing is left of what is covered, and what is left is not covered", () => {
    fc.assert(
      fc.property(grants, grants, (first, second) => {
        const [a, b] = [parseAll(first), parseAll(second)];
        const left = difference(a, b);
        expect(left.length === 0).toBe(covers(b, a));
        expect(covers([...b, ...left], a)).toBe(true);
        expect(covers(a, left)).toBe(true);
        for (const one of left) expect(covers(b, [one])).toBe(false);
      }),
    );
  });

  test.each([
    [["patient/*.rs"], ["patient/Observation.rs?category=a"], true],
    [["patient/Observation.rs?category=a"], ["patient/Observation.rs"], false],
    [["patient/Observation.rs?category=a,b"], ["patient/Observation.r?category=a"], true],
    [
      ["patient/Observation.rs?category=a", "patient/Observation.rs?category=b"],
      ["patient/Observation.rs?category=a,b"],
      true,
    ],
    [["patient/Observation.rs?category=a"], ["patient/Observation.rs?category=a,b"], false],
    [["patient/Observation.rs?category=a"], ["patient/Observation.rs?category=a&code=1"], true],
    [["patient/Observation.rs?category=a&code=1"], ["patient/Observation.rs?category=a"], false],
    [["patient/Observation.r", "patient/Observation.s"], ["patient/Observation.read"], true],
    [["patient/Observation.cruds"], ["patient/*.rs"], false],
    [["user/*.cruds"], ["patient/Observation.r"], false],
    [["system/*.cruds"], ["user/Observation.r"], false],
    [["launch"], ["launch/patient"], false],
    [[], [], true],
  ])("of %j over %j: %j", (grant, wanted, expected) => {
    expect(covers(parseAll(grant), parseAll(wanted))).toBe(expected);
  });
});

describe("scopes beyond those asked for", () => {
  test.each([
    [["patient/Patient.rs"], ["patient/*.rs"], []],
    [["patient/Patient.read"], ["patient/Patient.rs"], []],
    [["patient/Patient.rs"], ["patient/Patient.read"], []],
    [["patient/Patient.r"], ["patient/Patient.rs"], []],
    [["patient/Patient.rs"], ["patient/Patient.r", "patient/Patient.s"], []],
    [["patient/Patient.cruds"], ["patient/Patient.rs"], ["patient/Patient.cruds"]],
    [["user/Patient.rs"], ["patient/*.rs"], ["user/Patient.rs"]],
    [["patient/Observation.rs"], ["patient/Observation.rs?category=x"], ["patient/Observation.rs"]],
    [["openid"], ["openid"], []],
    [["offline_access"], ["openid"], ["offline_access"]],
    [["somebody's own"], ["somebody's own"], []],
    [["patient/Patient.sr"], ["patient/Patient.rs"], ["patient/Patient.sr"]],
  ])("%j of %j: %j", (granted, asked, more) => {
    expect(beyond(granted, asked)).toEqual(more);
  });
});
