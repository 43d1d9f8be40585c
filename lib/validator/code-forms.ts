/**
 * Code systems too large to be at hand, whose codes nevertheless tell by their form that they cannot be any: LOINC and
 * SNOMED CT end with a check digit, so that nine of ten invented or mistyped codes are found out.
 */

/** LOINC parts, answers and lists have prefixes, and check digits of another kind. */
const LOINC = /^(?:([0-9]{1,7})-([0-9])|(?:LP|LA|LL|LG|MTHU)[0-9]{1,8}(?:-[0-9])?)$/;
const SCTID = /^[1-9][0-9]{5,17}$/;
/** A post-coordinated expression is a grammar of its own. */
const EXPRESSION = /[\s:+=|,{(]/;

function isLoinc(code: string): boolean {
  const match = LOINC.exec(code);
  if (match === null) return false;
  return match[1] === undefined || luhnDigit(match[1]) === Number(match[2]);
}

/** Luhn's modulus 10, which LOINC's users' guide describes. */
function luhnDigit(digits: string): number {
  let sum = 0;
  for (let at = digits.length - 1, doubles = true; at >= 0; at--, doubles = !doubles) {
    const digit = digits.charCodeAt(at) - 48;
    sum += doubles ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return (10 - (sum % 10)) % 10;
}

function isSnomed(code: string): boolean {
  return EXPRESSION.test(code) || (SCTID.test(code) && hasVerhoeffDigit(code));
}

/** Rows of Verhoeff's permutation; its multiplication is that of the dihedral group D5. */
const PERMUTATIONS = [
  "0123456789",
  "1576283094",
  "5803796142",
  "8916043527",
  "9453126870",
  "4286573901",
  "2793806415",
  "7046913258",
];

/** SNOMED CT release file specifications, check digit. */
function hasVerhoeffDigit(digits: string): boolean {
  let check = 0;
  for (let place = 0; place < digits.length; place++) {
    const row = PERMUTATIONS[place % 8] ?? "";
    const digit = row.charCodeAt(digits.charCodeAt(digits.length - 1 - place) - 48) - 48;
    check = multiply(check, digit);
  }
  return check === 0;
}

/** 0 to 4 are rotations, 5 to 9 reflections. */
function multiply(a: number, b: number): number {
  if (a < 5) return b < 5 ? (a + b) % 5 : 5 + ((a + b - 5) % 5);
  return b < 5 ? 5 + ((a - b) % 5) : (a - b + 5) % 5;
}

const FORMS: ReadonlyMap<string, (code: string) => boolean> = new Map([
  ["http://loinc.org", isLoinc],
  ["http://snomed.info/sct", isSnomed],
  ["http://www.nlm.nih.gov/research/umls/rxnorm", (code: string) => /^[0-9]{1,8}$/.test(code)],
  ["http://hl7.org/fhir/sid/cvx", (code: string) => /^[0-9]{1,3}$/.test(code)],
  ["urn:iso:std:iso:4217", (code: string) => /^[A-Z]{3}$/.test(code)],
]);

/** Whether a code may be one of its system's, as far as its form tells; true where nothing is known of the form. */
export function mayBeCode(system: string, code: string): boolean {
  return FORMS.get(system)?.(code) ?? true;
}
