import { describe, expect, it } from "vitest";
import { outsideLoads, sealPage, UnsealedPage } from "../../lib/report/allure/seal.ts";

const page = (head: string, body = ""): string =>
  `<!DOCTYPE html><html><head>${head}</head><body>${body}</body></html>`;

describe("sealing a page", () => {
  it("takes out analytics: the script that loads and the code that calls", () => {
    const sealed = sealPage(
      page(
        "",
        `<script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>
         <script> window.dataLayer = window.dataLayer || []; function gtag(){} gtag('js', new Date()); </script>
         <script>window.kept = 1</script>`,
      ),
    );
    expect(sealed).not.toMatch(/googletagmanager|gtag/);
    expect(sealed).toContain("<script>window.kept = 1</script>");
  });

  it("puts the policy before everything that it has to govern", () => {
    const sealed = sealPage(page(`<script>1</script>`));
    expect(sealed.indexOf("Content-Security-Policy")).toBeLessThan(sealed.indexOf("<script>"));
    expect(sealed).toContain("default-src 'none'");
  });

  it.each([
    `<link rel="stylesheet" href="https://fonts.example/css">`,
    `<link rel="preload" href='//cdn.example/font.woff' as="font">`,
    `<style>@import "https://fonts.example/css";</style>`,
    `<style>@font-face { src: url(https://fonts.example/a.woff2) }</style>`,
    `<img src=http://evil.example/x.png>`,
    `<iframe src="https://evil.example/"></iframe>`,
    `<base href="https://evil.example/">`,
  ])("refuses a page that would load by %s", (markup) => {
    expect(() => sealPage(page(markup))).toThrow(UnsealedPage);
  });

  it("does not mind links that are only followed, or addresses within data", () => {
    const fine = page(
      `<script>window.data = "<img src=https://example.org/x.png>"</script>`,
      `<a href="https://hl7.org/">the specification</a>`,
    );
    expect(outsideLoads(sealPage(fine))).toEqual([]);
  });

  it("refuses what is no page", () => {
    expect(() => sealPage("nothing")).toThrow(UnsealedPage);
  });
});
