/** The validator's public surface; all types of its answers are in `result.ts`. */
export type { Finding, ValidateOptions, ValidationResult, Validator } from "./result.ts";
export { createValidator } from "./validator.ts";
export { mustSupport } from "./must-support.ts";
export { guideProfiles } from "./guide-profiles.ts";
export { describeFinding } from "./wording.ts";
