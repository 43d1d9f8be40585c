import { findArchive } from "../../lib/validator/pack/locate.ts";

/** Official archives on this machine (see FHIR_PACKAGES), by guide version. */
export const usCore610 = findArchive("hl7.fhir.us.core", "6.1.0");
export const usCore311 = findArchive("hl7.fhir.us.core", "3.1.1");

/** Title part of tests that need an archive, so that a report says why they were skipped. */
export const needs = (archive: string | undefined, name: string): string =>
  archive === undefined
    ? ` (skipped: ${name} is neither in FHIR_PACKAGES nor in the FHIR package cache)`
    : "";
