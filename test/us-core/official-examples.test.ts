import { describe, expect, it } from "vitest";
import { isResource } from "../../lib/fhir/resource.ts";
import { attachmentsOf, disagreements } from "../../suites/us-core/content/attachments.ts";
import { guide } from "../../suites/us-core/content/guides.ts";
import {
  absencesIn,
  contradictsItself,
  isNeedless,
  lacksCode,
  tellsOfMasking,
} from "../../suites/us-core/content/missing-data.ts";
import type { Seen } from "../../suites/us-core/content/seen.ts";
import { judgeAll, NO_PROFILE } from "../../suites/us-core/content/validity.ts";
import { examplesOf } from "../validator/packages.ts";

const examples = await examplesOf("hl7.fhir.us.core", "6.1.0");

/** The guide's own examples, which its publisher has found right: whatever is found in them is a false verdict. */
describe.skipIf(examples === undefined)(
  "the official examples (skipped without hl7.fhir.us.core-6.1.0 in FHIR_PACKAGES)",
  () => {
    const usCore = guide("us-core-6.1.0");
    const seen: Seen[] = (examples ?? []).flatMap(({ file, text }) => {
      const resource: unknown = JSON.parse(text);
      return isResource(resource) && resource.resourceType !== "Bundle" ? [{ resource, exchange: file }] : [];
    });
    const defects = (list: readonly Seen[]) =>
      [...judgeAll(usCore, list).byProfile.values()]
        .flat()
        .flatMap(({ exchange, defects: found }) => found.map(({ message }) => `${exchange}: ${message}`));

    it("have no defect by the profiles that they claim", () => {
      expect(seen.length).toBeGreaterThan(150);
      expect(defects(seen)).toEqual([]);
    });

    it("have none by the profiles that are for them, where they claim nothing", () => {
      const unclaimed = seen.map(({ resource, exchange }) => {
        const copy: Record<string, unknown> & { resourceType: string } = { ...resource };
        delete copy["meta"];
        return { resource: copy, exchange };
      });
      expect(defects(unclaimed)).toEqual([]);
    });

    it("tell of missing data as the guide says, and have the content that they say", () => {
      const owed = new Map<unknown, string[]>();
      for (const [profile, judged] of judgeAll(usCore, seen).byProfile) {
        if (profile === NO_PROFILE) continue;
        for (const { resource } of judged) owed.set(resource, [...(owed.get(resource) ?? []), profile]);
      }
      const absences = seen.flatMap((one) =>
        absencesIn(usCore.definitions, one, owed.get(one.resource) ?? []),
      );
      expect(absences.length).toBeGreaterThan(2);
      for (const judge of [isNeedless, lacksCode, contradictsItself, tellsOfMasking])
        expect(absences.filter((one) => judge(one)).map(({ path }) => path)).toEqual([]);
      const inline = seen.flatMap((one) => attachmentsOf(one)).filter(({ data }) => data !== undefined);
      expect(
        inline.flatMap((one) => disagreements(one, Buffer.from(one.data ?? "", "base64"), undefined)),
      ).toEqual([]);
    });
  },
);
