import type { HttpHeaders } from "./types.ts";

/** Header lines that can be asked for by name, in any case (RFC 9110 section 5.1). */
export function createHeaders(lines: ReadonlyArray<readonly [string, string]>): HttpHeaders {
  const getAll = (name: string): readonly string[] => {
    const wanted = name.toLowerCase();
    return lines.filter(([line]) => line.toLowerCase() === wanted).map(([, value]) => value);
  };
  return {
    lines,
    getAll,
    has: (name) => getAll(name).length > 0,
    get: (name) => {
      const values = getAll(name);
      return values.length === 0 ? undefined : values.join(", ");
    },
  };
}

/** The media type of a Content-Type value without its parameters, in lower case; undefined where there is none. */
export function mediaTypeOf(contentType: string | undefined): string | undefined {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  return type === undefined || type === "" ? undefined : type;
}
