/** The validator's public surface. */
export type {
  Finding,
  FindingCounts,
  FindingDetails,
  IssueCode,
  MustSupportItem,
  MustSupportObserver,
  NotVerified,
  Severity,
  ValidateOptions,
  ValidationResult,
  Validator,
  ValidatorOptions,
} from "./result.ts";
export { createValidator } from "./validator.ts";
export { mustSupport } from "./must-support.ts";
