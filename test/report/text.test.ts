import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bounded,
  codeSpan,
  escapeMarkdown,
  markdownLink,
  shellWord,
  showable,
} from "../../lib/report/text.ts";
import { HOSTILE } from "./hostile.ts";

describe("text from the outside", () => {
  it("loses terminal sequences and shows other control characters", () => {
    expect(showable(HOSTILE.controls)).toBe(
      String.raw`nul \u0000 bell \u0007 esc red link\u0008 \ufffe \uffff \u202egnp`,
    );
  });

  it("is well-formed and free of control characters, whatever it was", () => {
    assert(
      property(string({ unit: "binary" }), (text) => {
        const shown = showable(text);
        // oxlint-disable-next-line no-control-regex
        expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/);
        expect(() => encodeURIComponent(shown)).not.toThrow();
        expect(showable(shown)).toBe(shown);
      }),
    );
  });

  it("is cut between characters, saying how much is left out", () => {
    expect(bounded("a👨b", 2)).toBe("a … (1 of 4 characters shown)");
    expect(bounded("ab", 2)).toBe("ab");
  });

  it("stays one line of Markdown without markup", () => {
    const line = escapeMarkdown(HOSTILE.markdown + HOSTILE.markup);
    expect(line).not.toMatch(/\n|<|(?<!\\)[|`*[\]]|@|(?<!&)#/);
  });

  it("stays within a code span, whatever fences it holds", () => {
    expect(codeSpan("a `` b ` c")).toBe("```a `` b ` c```");
    expect(codeSpan("`a`")).toBe("`` `a` ``");
    expect(codeSpan("")).toBe("");
  });

  it("is linked only to the web", () => {
    expect(markdownLink("x", "javascript:alert(1)")).toBe("x");
    expect(markdownLink("a#1", "https://example.org/>|(")).toBe("[a#1](<https://example.org/%3E%7C(>)");
  });

  it("is one word to a shell", () => {
    expect(shellWord("suite.check:Patient.name")).toBe("suite.check:Patient.name");
    expect(shellWord("it's $(rm -rf /)\n")).toBe(`'it'\\''s $(rm -rf /) '`);
  });
});
