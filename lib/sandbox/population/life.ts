import type { JsonObject } from "../json.ts";
import type { Chart } from "./chart.ts";
import { category, observation } from "./observation.ts";
import {
  absence,
  BASE,
  central,
  coding,
  concept,
  day,
  days,
  instant,
  LOINC,
  month,
  NULL_FLAVOR,
  quantity,
  reference,
  SNOMED,
  US_CORE,
  US_CORE_CATEGORY,
} from "./terms.ts";

// How a patient lives, and what they answered when they were asked.

const ODH = "http://terminology.hl7.org/CodeSystem/PHOccupationalDataForHealthODH";
const SMOKING = [
  ["449868002", "Smokes tobacco daily (finding)"],
  ["428041000124106", "Occasional tobacco smoker (finding)"],
  ["8517006", "Ex-smoker (finding)"],
  ["266919005", "Never smoked tobacco (finding)"],
] as const;
const ORIENTATIONS = [
  [SNOMED, "20430005", "Heterosexual (finding)"],
  [SNOMED, "38628009", "Homosexual (finding)"],
  [SNOMED, "42035005", "Bisexual (finding)"],
  [NULL_FLAVOR, "ASKU", "asked but unknown"],
] as const;

function pregnancy(chart: Chart): JsonObject[] {
  if (chart.sexAtBirth === "M") return [];
  const isPregnant = chart.number % 4 === 0;
  const categories = [category("social-history")];
  return [
    observation(chart, "pregnancy-status", {
      profiles: ["us-core-observation-pregnancystatus"],
      categories,
      code: concept(LOINC, "82810-3", "Pregnancy status"),
      effective: { effectiveDateTime: day(chart.seen) },
      value: {
        valueCodeableConcept: isPregnant
          ? concept(SNOMED, "77386006", "Pregnant (finding)")
          : concept(SNOMED, "60001007", "Not pregnant (finding)"),
      },
    }),
    observation(chart, "pregnancy-intent", {
      profiles: ["us-core-observation-pregnancyintent"],
      categories,
      code: concept(LOINC, "86645-9", "Pregnancy intention in the next year - Reported"),
      effective: { effectiveDateTime: month(chart.seen) },
      value: {
        valueCodeableConcept:
          chart.number % 5 === 0
            ? concept(NULL_FLAVOR, "UNK", "unknown")
            : concept(SNOMED, "454381000124105", "Not sure of desire to become pregnant (finding)"),
      },
    }),
  ];
}

export function makeSocialHistory(chart: Chart): JsonObject[] {
  const random = chart.random("social-history");
  const categories = [category("social-history")];
  const [smoking, smokes] = random.pick(SMOKING);
  const [system, code, display] = random.pick(ORIENTATIONS);
  return [
    observation(chart, "smoking-status", {
      profiles: ["us-core-smokingstatus"],
      categories,
      code: concept(LOINC, "72166-2", "Tobacco smoking status"),
      value: { valueCodeableConcept: concept(SNOMED, smoking, smokes) },
    }),
    observation(chart, "sexual-orientation", {
      profiles: ["us-core-observation-sexual-orientation"],
      categories,
      code: concept(LOINC, "76690-7", "Sexual orientation"),
      effective: { effectiveDateTime: day(chart.seen) },
      value: { valueCodeableConcept: concept(system, code, display) },
    }),
    observation(chart, "occupation", {
      profiles: ["us-core-observation-occupation"],
      categories,
      code: concept(LOINC, "11341-5", "History of Occupation"),
      effective: { effectivePeriod: { start: "2019-05", end: day(chart.seen) } },
      value: {
        valueCodeableConcept: concept(
          ODH,
          "31-1014.00.007136",
          "Certified Nursing Assistant (CNA) [Nursing Assistants]",
        ),
      },
      further: {
        component: [
          {
            code: concept(LOINC, "86188-0", "History of Occupation Industry"),
            valueCodeableConcept: concept(ODH, "621610.008495", "Home nursing services"),
          },
        ],
      },
    }),
    ...pregnancy(chart),
  ];
}

const SIMPLE = "us-core-simple-observation";

const ofUsCore = (code: string, display: string) => [concept(US_CORE_CATEGORY, code, display)];

export function makeSimpleObservations(chart: Chart): JsonObject[] {
  const derivedFrom = [chart.to("QuestionnaireResponse", "questionnaire-response")];
  return [
    observation(chart, "household", {
      profiles: [SIMPLE],
      categories: ofUsCore("sdoh", "SDOH"),
      code: concept(LOINC, "63512-8", "How many people are living or staying at this address?"),
      value: { valueQuantity: quantity(1 + (chart.number % 5), "people", "{#}") },
    }),
    observation(chart, "depression-severity", {
      profiles: [SIMPLE],
      categories: ofUsCore("disability-status", "Disability Status"),
      code: concept(LOINC, "94023-9", "Depression severity"),
      value: { valueCodeableConcept: concept(LOINC, "LA6751-7", "Moderate") },
      further: { derivedFrom },
    }),
    observation(chart, "cognition", {
      profiles: [SIMPLE],
      categories: ofUsCore("cognitive-status", "Cognitive Status"),
      code: concept(LOINC, "11332-4", "History of Cognitive Function Narrative"),
      effective: { effectiveDateTime: central(chart.seen) },
      value: { valueString: "Oriented, and follows a conversation with ease." },
    }),
    observation(chart, "transport", {
      profiles: [SIMPLE],
      categories: ofUsCore("functional-status", "Functional Status"),
      code: concept(SNOMED, "160695008", "Transport too expensive (finding)"),
      value: { valueBoolean: chart.number % 2 === 0 },
    }),
  ];
}

const ASSESSMENT = "us-core-observation-screening-assessment";

/** The answers of a screening as observations: a panel, its items, their total. */
export function makeAssessments(chart: Chart): JsonObject[] {
  const categories = [
    category("survey"),
    concept(US_CORE_CATEGORY, "disability-status", "Disability Status"),
  ];
  const sdoh = [category("survey"), concept(US_CORE_CATEGORY, "sdoh", "SDOH")];
  const response = chart.to("QuestionnaireResponse", "questionnaire-response");
  const at = { effectiveDateTime: instant(chart.seen) };
  const items = ["phq-interest", "phq-mood", "phq-total"].map((kind) =>
    chart.to("Observation", `observation-${kind}`),
  );
  return [
    observation(chart, "phq-panel", {
      profiles: [ASSESSMENT],
      categories,
      code: concept(LOINC, "44249-1", "PHQ-9 quick depression assessment panel [Reported.PHQ]"),
      effective: at,
      further: { hasMember: items, derivedFrom: [response] },
    }),
    observation(chart, "phq-interest", {
      profiles: [ASSESSMENT],
      categories,
      code: concept(LOINC, "44250-9", "Little interest or pleasure in doing things in last 2 weeks"),
      effective: at,
      value: { valueCodeableConcept: concept(LOINC, "LA6569-3", "Several days") },
      further: { derivedFrom: [response] },
    }),
    observation(chart, "phq-mood", {
      profiles: [ASSESSMENT],
      categories: [...categories, concept(US_CORE_CATEGORY, "cognitive-status", "Cognitive Status")],
      code: concept(LOINC, "44255-8", "Feeling down, depressed, or hopeless in last 2 weeks"),
      effective: at,
      dataAbsentReason: absence("asked-declined", "Asked But Declined"),
      further: { derivedFrom: [response] },
    }),
    observation(chart, "phq-total", {
      profiles: [ASSESSMENT],
      categories: [...categories, concept(US_CORE_CATEGORY, "functional-status", "Functional Status")],
      code: concept(LOINC, "44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]"),
      effective: at,
      value: { valueQuantity: quantity(chart.random("phq").between(2, 20), "{score}", "{score}") },
      further: { derivedFrom: [chart.to("Observation", "observation-phq-interest"), response] },
    }),
    observation(chart, "address-answer", {
      profiles: [ASSESSMENT],
      categories: sdoh,
      code: concept(LOINC, "56799-0", "Address"),
      effective: { effectiveDateTime: day(days(chart.seen, 1)) },
      value: { valueString: "With a friend" },
    }),
  ];
}

const choice = (code: string, display: string): JsonObject => ({ valueCoding: coding(LOINC, code, display) });

export function makeQuestionnaireResponses(chart: Chart): JsonObject[] {
  const url = `https://${chart.tenant.id}.example/Questionnaire/mood`;
  return [
    {
      resourceType: "QuestionnaireResponse",
      id: chart.idOf("questionnaire-response"),
      meta: chart.meta(1, "us-core-questionnaireresponse"),
      identifier: {
        system: `https://${chart.tenant.id}.example/answers`,
        value: `Q${chart.number}`,
      },
      questionnaire: url,
      _questionnaire: {
        extension: [
          { url: "http://hl7.org/fhir/StructureDefinition/display", valueString: "Questions about mood" },
        ],
      },
      status: "completed",
      subject: chart.patient,
      encounter: chart.encounter,
      authored: instant(chart.seen),
      author: chart.practitioner,
      item: [
        {
          linkId: "1",
          text: "Over the last two weeks",
          item: [
            { linkId: "1.1", text: "Little interest", answer: [choice("LA6569-3", "Several days")] },
            {
              linkId: "1.2",
              text: "Feeling down",
              answer: [
                {
                  ...choice("LA6570-1", "More than half the days"),
                  item: [{ linkId: "1.2.1", text: "Since when", answer: [{ valueString: "Since spring" }] }],
                },
              ],
            },
          ],
        },
        { linkId: "2", text: "Total", answer: [{ valueDecimal: chart.random("phq").between(2, 20) }] },
        {
          linkId: "3",
          text: "Anything else",
          answer: [
            {
              valueString: "Yes",
              item: [{ linkId: "3.1", text: "What", answer: [{ valueString: "A new place to live" }] }],
            },
          ],
        },
      ],
    },
    {
      resourceType: "QuestionnaireResponse",
      id: chart.idOf("questionnaire-response-paper"),
      meta: chart.meta(30, "us-core-questionnaireresponse"),
      questionnaire: `https://${chart.tenant.id}.example/forms/hunger`,
      _questionnaire: {
        extension: [
          {
            url: `${US_CORE}/us-core-extension-questionnaire-uri`,
            valueUri: `https://${chart.tenant.id}.example/forms/hunger.pdf`,
          },
        ],
      },
      status: "amended",
      subject: reference(`${BASE}/Patient/${chart.idOf("patient")}`),
      authored: central(days(chart.seen, 1)),
      author: chart.practitioner,
      item: [
        {
          linkId: "1",
          text: "Was there always enough to eat?",
          answer: [choice("LA28397-0", "Often true")],
        },
      ],
    },
  ];
}

/** The tenant's own questionnaire. */
export function makeQuestionnaire(tenant: Chart["tenant"]): JsonObject {
  return {
    resourceType: "Questionnaire",
    id: `${tenant.id}-questionnaire-1`,
    meta: { versionId: "1", lastUpdated: "2025-01-02T08:00:00.000Z" },
    url: `https://${tenant.id}.example/Questionnaire/mood`,
    version: "1.0.0",
    name: "Mood",
    title: "Questions about mood",
    status: "active",
    subjectType: ["Patient"],
    item: [
      {
        linkId: "1",
        text: "Over the last two weeks",
        type: "group",
        item: [
          { linkId: "1.1", text: "Little interest", type: "choice" },
          {
            linkId: "1.2",
            text: "Feeling down",
            type: "choice",
            item: [{ linkId: "1.2.1", text: "Since when", type: "string" }],
          },
        ],
      },
      { linkId: "2", text: "Total", type: "decimal" },
      {
        linkId: "3",
        text: "Anything else",
        type: "string",
        item: [{ linkId: "3.1", text: "What", type: "string" }],
      },
    ],
  };
}
