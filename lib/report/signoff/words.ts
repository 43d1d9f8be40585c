/** The sentences that the page and the Markdown of a sign-off share. */
import { isWaived } from "../../checks/results.ts";
import type { AnsweredItem, Decision, Problem, Signoff, Untested } from "./model.ts";

export const DECISION_WORDS: Readonly<Record<Decision, string>> = {
  go: "Go",
  conditional: "Conditional go",
  "no-go": "No go",
};

const ITEM_WORDS: Readonly<Record<AnsweredItem["state"], string>> = {
  met: "Met by checks",
  attested: "Attested",
  "not-met": "Not met",
  "to-attest": "To be attested by a person",
  unanswered: "No answer yet",
};

/** How an item of the checklist stands. */
export function itemWords(item: AnsweredItem): string {
  return item.state === "attested" && item.checks !== undefined
    ? "Met by checks, and attested"
    : ITEM_WORDS[item.state];
}

export const UNTESTED_WORDS: Readonly<Record<Untested["kind"], string>> = {
  blocked: "Blocked: the question could not be asked",
  "no-data": "No test data",
  "not-applicable": "Not applicable",
  "not-asked": "Not asked of this API",
};

/** What holds: what a person decided, or else what the rules allow. */
export function outcome({ decided, ruled }: Signoff): Decision {
  return decided?.decision ?? ruled;
}

/** The verdict in words: the first thing that is read. */
export function verdictSentence(signoff: Signoff): string {
  const { tenantName, environment, decided, ruled } = signoff;
  const where = `${tenantName} in ${environment}`;
  const said: Readonly<Record<Decision, string>> = {
    go: `Applications may move to v2 for ${where}.`,
    conditional: `Applications may move to v2 for ${where} once the conditions below are met.`,
    "no-go": `Applications must not move to v2 for ${where} yet.`,
  };
  if (decided === undefined) return `${said[ruled]} This is what the rules say; nobody has decided yet.`;
  return decided.decision === ruled
    ? said[ruled]
    : `${said[decided.decision]} The rules would allow: ${DECISION_WORDS[ruled].toLowerCase()}.`;
}

/** What stands in the way of a better decision. */
export function openRules(signoff: Signoff) {
  return signoff.rules
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => Number(a.rule.then === "conditional") - Number(b.rule.then === "conditional"));
}

/** An item's answer in one or two sentences. */
export function answerSentence(item: AnsweredItem): string {
  const { checks, attestation, attests } = item;
  const parts = [
    ...(checks === undefined ? [] : [`${checks}.`]),
    ...(item.reservation ? ["Something of it is accepted only until a waiver expires."] : []),
    ...(attestation === undefined
      ? []
      : [`${attestation.by} (${attestation.role}) attests on ${attestation.at}: ${attestation.note}`]),
    ...(item.state === "to-attest" && attests !== undefined ? [`A person has to attest: ${attests}`] : []),
    ...(item.state === "unanswered"
      ? ["No check of it gave an answer; a person may attest it instead."]
      : []),
  ];
  return parts.join(" ");
}

/** Who has accepted a problem, until when and why; undefined where nobody has. */
export function waivedSentence({ result }: Problem): string | undefined {
  const waivers = result.waived?.waivers ?? [];
  if (waivers.length === 0) return undefined;
  const said = waivers.map(
    ({ id, owner, expires, reason }) => `${id}, ${owner}, until ${expires}: ${reason}`,
  );
  return `${isWaived(result) ? "Waived" : "Some of it waived"} (${said.join("; ")})`;
}
