import { describe, expect, test } from "vitest";
import { select } from "../../lib/checks/select.ts";
import { substitute } from "../../lib/checks/substitute.ts";
import { isWithin, sameUrl } from "../../lib/checks/urls.ts";

describe("select", () => {
  const document = {
    rest: [{ resource: [{ type: "Patient", profile: "http://x/y" }, { type: "Group" }] }],
    "a/b": 1,
    "": 2,
    list: [],
  };

  test("takes no object for a text, whatever it calls toString", () => {
    const odd = {
      list: [{ type: { toString: "Patient" } }, { type: ["Patient"] }, { type: 7 }, { type: null }],
    };
    expect(select(odd, "/list[type=Patient]")).toEqual([]);
    expect(select(odd, "/list[type=7]")).toHaveLength(1);
  });

  test("follows pointers, members and predicates", () => {
    expect(select(document, "/rest/0/resource/1/type").map(({ value }) => value)).toEqual(["Group"]);
    expect(select(document, "/rest/*/resource/*/type").map(({ pointer }) => pointer)).toEqual([
      "/rest/0/resource/0/type",
      "/rest/0/resource/1/type",
    ]);
    expect(select(document, "/rest/0/resource[type=Group]/type").map(({ pointer }) => pointer)).toEqual([
      "/rest/0/resource/1/type",
    ]);
    expect(select(document, "/rest/0/resource[profile=http://x/y]/type").map(({ value }) => value)).toEqual([
      "Patient",
    ]);
    expect(select(document, "/a~1b").map(({ value }) => value)).toEqual([1]);
    expect(select(document, "/").map(({ value }) => value)).toEqual([2]);
  });

  test("finds nothing where nothing is, also on things that have inherited members", () => {
    for (const path of [
      "/rest/9",
      "/rest/x",
      "/nowhere/0",
      "/list/*",
      "/constructor",
      "/list/length",
      "/rest/-1",
    ]) {
      expect(select(document, path)).toEqual([]);
    }
    expect(select(null, "/a")).toEqual([]);
    expect(select("text", "/0")).toEqual([]);
  });
});

describe("substitute", () => {
  test("replaces by name and member, keeps types, and leaves what it does not know", () => {
    const variables = { base: "http://x", row: { list: ["a", "b"], name: "n" } };
    expect(substitute({ url: "{base}/{row.name}/{later}", all: "{row.list}" }, variables)).toEqual({
      url: "http://x/n/{later}",
      all: ["a", "b"],
    });
  });

  test("keeps what has no placeholder as the very same object", () => {
    const schema = { type: "array", items: { pattern: "^[a-z]{2}$" } };
    const replaced = substitute({ url: "{base}", schema }, { base: "http://x" });
    expect(replaced).toEqual({ url: "http://x", schema });
    expect(replaced.schema).toBe(schema);
  });

  test("does not reach into prototypes", () => {
    expect(substitute("{row.constructor}{toString}", { row: {} })).toBe("{row.constructor}{toString}");
  });
});

describe("URLs", () => {
  test("are the same without regard to case of the host, default port and one slash at the end", () => {
    expect(sameUrl("HTTPS://Example.org:443/a/", "https://example.org/a")).toBe(true);
    expect(sameUrl("https://example.org/A", "https://example.org/a")).toBe(false);
    expect(sameUrl("not a url", "not a url")).toBe(false);
  });

  test("are within a base only at a border of a path segment", () => {
    expect(isWithin("https://h/base/x", "https://h/base/")).toBe(true);
    expect(isWithin("https://h/base", "https://h/base")).toBe(true);
    expect(isWithin("https://h/basement", "https://h/base")).toBe(false);
    expect(isWithin("https://h/base/../other", "https://h/base")).toBe(false);
    expect(isWithin("https://h.evil/base/x", "https://h/base")).toBe(false);
  });
});
