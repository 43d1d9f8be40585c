import { isUtf8 } from "node:buffer";
import { isObject } from "../json.ts";
import { mustSupport } from "../must-support.ts";
import type { DefinitionSource } from "../pack/format.ts";
import type { MustSupportObserver, Validator } from "../result.ts";
import { takeCensus, type Census, type CensusSettings, type CensusTaker } from "./census.ts";

/** What lines are judged by. */
export interface Examination {
  readonly validator: Validator;
  readonly definitions: DefinitionSource;
  /** Judge resources that claim no profile by the guide's profile for their type. */
  readonly guideProfiles: boolean;
}

const BYTE_ORDER_MARK = "\uFEFF";
/** Findings of one resource that are told apart; all of them count as one invalid resource. */
const MOST_FINDINGS = 20;

/**
 * Makes the function that takes a census of a run of complete lines: what each line is, and what its resource is like.
 * It never throws for what the lines hold.
 *
 * @param by what resources are judged by; without it they are only counted
 */
export function createExaminer(
  by?: Examination,
): (lines: { readonly firstLine: number; readonly bytes: Uint8Array }, settings: CensusSettings) => Census {
  const observers = new Map<string, MustSupportObserver | undefined>();
  const observe = (profile: string) => {
    if (!observers.has(profile)) observers.set(profile, observerOf(by?.definitions, profile));
    return observers.get(profile);
  };
  return ({ firstLine, bytes }, settings) => {
    const census = takeCensus(settings, observe);
    // Lines are handed over complete: only a file's last may lack its end.
    const isWhole = bytes.at(-1) === 0x0a;
    const text = isUtf8(bytes)
      ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
      : undefined;
    let lines = 0;
    let from = 0;
    const size = text === undefined ? bytes.length : text.length;
    while (from < size) {
      const end = text === undefined ? bytes.indexOf(0x0a, from) : text.indexOf("\n", from);
      const to = end === -1 ? size : end;
      const line = firstLine + lines;
      const own = text === undefined ? decode(bytes.subarray(from, to)) : text.slice(from, to);
      const isLast = to === size && !isWhole;
      if (own === undefined) census.defect(isLast ? "cut" : "not-utf8", line);
      else examineLine(own, line, isLast, census, by);
      lines += 1;
      from = to + 1;
    }
    const done = census.done();
    done.lines = lines;
    return done;
  };
}

function examineLine(
  line: string,
  number: number,
  isOpen: boolean,
  census: CensusTaker,
  by: Examination | undefined,
): void {
  let text = line;
  if (number === 1 && text.startsWith(BYTE_ORDER_MARK)) {
    census.defect("byte-order-mark", number);
    text = text.slice(1);
  }
  if (text.trim() === "") {
    census.defect("blank", number);
    return;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    census.defect(isOpen ? "cut" : "not-json", number);
    return;
  }
  if (!isObject(parsed)) {
    census.defect("not-resource", number);
    return;
  }
  const result = by?.validator.validateResource(parsed, {
    source: text,
    guideProfiles: by.guideProfiles,
    maxFindings: MOST_FINDINGS,
  });
  census.resource(parsed, number, text, result);
}

function decode(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
    : undefined;
}

function observerOf(
  definitions: DefinitionSource | undefined,
  profile: string,
): MustSupportObserver | undefined {
  try {
    return definitions === undefined ? undefined : mustSupport(definitions, profile);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
