import { CHOICE_TYPES } from "./model.ts";

/**
 * Is an item of this type, as `is`, `as` and `ofType` ask? Names are compared without regard to case, as the HL7
 * validator does: published expressions say `DateTime` and `Boolean` for FHIR's own primitives.
 */
export function typeTest(wanted: string): (type: string | undefined, value: unknown) => boolean {
  const name = wanted.replace(/^(?:FHIR|System)\./, "").toLowerCase();
  let lastType: string | undefined;
  let lastAnswer = false;
  return (type, value) => {
    if (type !== undefined) {
      if (type !== lastType) {
        lastType = type;
        const own = type.startsWith("System.") ? type.slice(7) : type;
        lastAnswer = own.toLowerCase() === name || isSubtype(own, name);
      }
      return lastAnswer;
    }
    if (typeof value === "string") return name === "string";
    if (typeof value === "boolean") return name === "boolean";
    if (typeof value === "number")
      return name === "decimal" || (name === "integer" && Number.isInteger(value));
    return false;
  };
}

const QUANTITIES = new Set(["Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity"]);
const NOT_DOMAIN_RESOURCES = new Set(["Bundle", "Binary", "Parameters"]);

function isSubtype(type: string, ancestor: string): boolean {
  switch (ancestor) {
    case "quantity":
      return QUANTITIES.has(type);
    case "backboneelement":
      return type.includes(".");
    case "element":
      return type.includes(".") || CHOICE_TYPES.has(type);
    case "resource":
      return !type.includes(".") && !CHOICE_TYPES.has(type);
    case "domainresource":
      return !type.includes(".") && !CHOICE_TYPES.has(type) && !NOT_DOMAIN_RESOURCES.has(type);
    default:
      return false;
  }
}
