import type { Target } from "../config/targets.ts";
import type { Applies } from "./definition.ts";

/**
 * Why a suite or check is not asked of a target.
 *
 * @returns the reason in words; `undefined` when it applies
 */
export function notApplicableReason(applies: Applies, target: Target): string | undefined {
  if (applies.vendor === true && !target.vendor) {
    return "it is the vendor's own promise, and this target gives its own FHIR base URL";
  }
  if (applies.apis !== undefined && !applies.apis.includes(target.api)) {
    if (!target.vendor && applies.vendor !== true) return mismatch(applies, target);
    return `it is asked of ${applies.apis.join(", ")} only`;
  }
  return mismatch(applies, target);
}

function mismatch(applies: Applies, target: Target): string | undefined {
  if (applies.tenantInUrl === true && target.baseOf === undefined)
    return "there is no tenant in the base URL";
  if (
    applies.standards !== undefined &&
    !applies.standards.some((standard) => target.standards.includes(standard))
  ) {
    return `it is asked of APIs that promise ${applies.standards.join(" or ")}`;
  }
  if (applies.access !== undefined && !applies.access.includes(target.access)) {
    return `it is asked of APIs for ${applies.access.join(" or ")} access, and this one is for ${target.access} access`;
  }
  if (applies.authorization !== undefined && !applies.authorization.includes(target.authorization)) {
    return `it is asked of APIs with ${applies.authorization.join(" or ")} authorization`;
  }
  if (
    applies.generation !== undefined &&
    (target.generation === undefined || !applies.generation.includes(target.generation))
  ) {
    return `it is asked of the vendor's ${applies.generation.join(" or ")} APIs`;
  }
  if (applies.party !== undefined && (target.party === undefined || !applies.party.includes(target.party))) {
    return `it is asked of ${applies.party.join(" or ")} APIs`;
  }
  return undefined;
}
