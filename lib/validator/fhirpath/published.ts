/**
 * Published invariants that do not say what they mean. R4 4.0.1 is frozen, so its mistakes stay; the HL7 validator
 * evaluates corrected forms, and so do we: the verdicts must be the same.
 */
const CORRECTIONS: ReadonlyMap<string, string> = new Map([
  // ras-2: no probability is no percentage above 100.
  [
    "probability is decimal implies (probability as decimal) <= 100",
    "(probability.exists() and (probability is decimal)) implies ((probability as decimal) <= 100)",
  ],
  // que-12: two conditions already need a behaviour.
  [
    "enableWhen.count() > 2 implies enableBehavior.exists()",
    "enableWhen.count() >= 2 implies enableBehavior.exists()",
  ],
  // dom-6: narrative is asked of resources that stand by themselves.
  ["text.`div`.exists()", "(%rootResource != $this) or text.`div`.exists()"],
  // The name rule of canonical resources means the whole name, where there is one.
  [
    "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
    "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
  ],
  // eld-19, eld-20: `matches` became a partial match later.
  [
    String.raw`path.matches('[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*')`,
    String.raw`path.matches('^[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*$')`,
  ],
  [
    String.raw`path.matches('[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*')`,
    String.raw`path.matches('^[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*$')`,
  ],
  // pd-1: any number of either.
  ["telecom or endpoint", "telecom.exists() or endpoint.exists()"],
]);

/** The expression to evaluate for a published one. */
export function correctedExpression(expression: string): string {
  return CORRECTIONS.get(expression) ?? expression;
}
