import type { SandboxRequest } from "./exchange.ts";

const JSON_TYPES = new Set(["application/fhir+json", "application/json", "text/json", "json"]);
const XML_TYPES = new Set(["application/fhir+xml", "application/xml", "text/xml", "xml"]);

function formatOf(name: string, standard: "json" | "xml"): "json" | "xml" | undefined {
  const mediaType = name.split(";")[0]?.trim().toLowerCase() ?? "";
  if (JSON_TYPES.has(mediaType)) return "json";
  if (XML_TYPES.has(mediaType)) return "xml";
  return mediaType === "*/*" || mediaType === "application/*" ? standard : undefined;
}

/**
 * The format that a FHIR request asks for: `_format` before `Accept` (FHIR R4, 3.1.0.1.11).
 *
 * @param standard what is given to a request that does not say
 * @returns undefined when nothing that was asked for is offered: 406
 */
export function negotiateFormat(
  request: Pick<SandboxRequest, "url" | "headers">,
  standard: "json" | "xml",
): "json" | "xml" | undefined {
  // An unescaped plus in a query is read as a space.
  const asked = request.url.searchParams.get("_format")?.replace("fhir ", "fhir+");
  if (asked !== undefined && asked !== "") return formatOf(asked, standard);
  const accept = request.headers.accept;
  if (accept === undefined || accept.trim() === "") return standard;
  const ranges = accept
    .split(",")
    .map((range, index) => {
      const quality = /;\s*q=([\d.]+)/i.exec(range)?.[1];
      return { range, index, quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter((each) => each.quality > 0)
    .toSorted((a, b) => b.quality - a.quality || a.index - b.index);
  for (const { range } of ranges) {
    const format = formatOf(range, standard);
    if (format !== undefined) return format;
  }
  return undefined;
}
