import type { HttpResponse } from "../http/types.ts";
import type { Subject } from "./expectations.ts";

/**
 * A response as something to put expectations on. The body is read as JSON; a problem with it is said without
 * repeating any of it, since it may be about a patient.
 *
 * @param name what it is, for words: `the SMART configuration`
 */
export function subjectOf(name: string, response: HttpResponse): Subject {
  const { status, headers, body, exchange } = response;
  const shared = {
    name,
    status,
    header: (key: string) => headers.get(key),
    bodyBytes: body.byteLength,
    exchange,
  };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return { ...shared, problem: "bytes that are not UTF-8" };
  }
  try {
    return { ...shared, json: JSON.parse(text) as unknown };
  } catch {
    return { ...shared, problem: describe(text) };
  }
}

function describe(text: string): string {
  const start = text.trimStart();
  if (start === "") return "an empty body";
  if (/^<(!doctype html|html)/i.test(start)) return "an HTML page";
  if (start.startsWith("<")) return "XML";
  if (/^[[{]/.test(start)) return `JSON that is cut off or malformed (${text.length} characters)`;
  return `text that is not JSON (${text.length} characters)`;
}
