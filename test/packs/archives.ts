import { findPackage } from "../../lib/validator/pack/locate.ts";

/** Official packages on this machine: archives in FHIR_PACKAGES, or folders of the FHIR package cache. */
export const usCore610 = findPackage("hl7.fhir.us.core", "6.1.0");
export const usCore311 = findPackage("hl7.fhir.us.core", "3.1.1");

/** Title part of tests that need a package, so that a report says why they were skipped. */
export const needs = (path: string | undefined, name: string): string =>
  path === undefined ? ` (skipped: ${name} is neither in FHIR_PACKAGES nor in the FHIR package cache)` : "";
