import type { Procedure } from "../../lib/checks/answer.ts";
import {
  createValidator,
  type Finding as ValidationFinding,
  type Validator,
} from "../../lib/validator/index.ts";
import { loadDefinitions } from "../../lib/validator/pack/load.ts";
import { readStatement } from "./statement.ts";

/** What is shown of a statement that is wrong everywhere; a single slip tends to repeat in every resource type. */
const SHOWN = 50;

let validator: Promise<Validator> | undefined;

/** SMART's text has more parts of its extension than the definition that comes with R4. */
function isSmartExtension({ rule, expression }: ValidationFinding): boolean {
  return rule === "extension-part-unknown" && expression.includes(".security.extension[");
}

/** The statement is a valid CapabilityStatement of FHIR R4. */
export const validR4: Procedure = async (context) => {
  const { document, evidence } = await readStatement(context);
  validator ??= loadDefinitions(["fhir-r4-4.0.1"]).then((definitions) => createValidator(definitions));
  const { findings, counts } = (await validator).validateResource(document);
  const wrong = findings.filter(
    (finding) => (finding.severity === "error" || finding.severity === "fatal") && !isSmartExtension(finding),
  );
  const passedOver = findings.filter((finding) => isSmartExtension(finding)).length;
  const shown = wrong.slice(0, SHOWN).map(({ message, expression }) => ({
    code: "fhir.invalid",
    expected: "a valid CapabilityStatement of FHIR R4",
    actual: message,
    location: expression,
    ...evidence,
  }));
  const more = counts.error + counts.fatal - passedOver - shown.length;
  if (more <= 0) return shown;
  return [
    ...shown,
    {
      code: "fhir.invalid",
      expected: "a valid CapabilityStatement of FHIR R4",
      actual: `${more} more errors of this kind`,
      ...evidence,
    },
  ];
};
