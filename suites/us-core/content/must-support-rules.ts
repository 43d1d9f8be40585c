/**
 * What US Core 6.1.0 says of must-support in its pages and not in its profiles. Ids of items are those of
 * `mustSupport`; an id stands for everything below it too.
 */

const GUIDE = "http://hl7.org/fhir/us/core/StructureDefinition/";

/** One of several is enough. */
export interface Alternatives {
  readonly profile: string;
  readonly items: readonly (readonly string[])[];
  /** Id of the requirement in the catalogue `us-core-6.1.0`. */
  readonly requirement: string;
}

const target = (element: string, profile: string) => `${element}:${GUIDE}${profile}`;

export const ALTERNATIVES: readonly Alternatives[] = [
  {
    profile: "us-core-careteam",
    items: [
      [target("CareTeam.participant.member", "us-core-practitioner")],
      [target("CareTeam.participant.member", "us-core-practitionerrole")],
    ],
    requirement: "313",
  },
  ...["us-core-condition-encounter-diagnosis", "us-core-condition-problems-health-concerns"].map(
    (profile) => ({
      profile,
      items: [["Condition.extension:assertedDate"], ["Condition.onset[x]"]],
      requirement: "326",
    }),
  ),
  {
    profile: "us-core-documentreference",
    items: [["DocumentReference.content.attachment.data"], ["DocumentReference.content.attachment.url"]],
    requirement: "368",
  },
  {
    profile: "us-core-encounter",
    items: [["Encounter.reasonCode"], ["Encounter.reasonReference"]],
    requirement: "375",
  },
  {
    profile: "us-core-encounter",
    items: [["Encounter.location"], ["Encounter.serviceProvider"]],
    requirement: "379",
  },
  { profile: "us-core-goal", items: [["Goal.start[x]"], ["Goal.target.due[x]"]], requirement: "387" },
  {
    profile: "us-core-medicationrequest",
    items: [
      ["MedicationRequest.reported[x]:boolean"],
      [
        "MedicationRequest.reported[x]:Reference",
        target("MedicationRequest.reported[x]", "us-core-practitioner"),
      ],
    ],
    requirement: "408",
  },
  {
    profile: "us-core-medicationrequest",
    items: [["MedicationRequest.reasonCode"], ["MedicationRequest.reasonReference"]],
    requirement: "115",
  },
  {
    profile: "us-core-servicerequest",
    items: [["ServiceRequest.reasonCode"], ["ServiceRequest.reasonReference"]],
    requirement: "115",
  },
  {
    profile: "us-core-observation-screening-assessment",
    items: [
      [target("Observation.derivedFrom", "us-core-observation-screening-assessment")],
      [target("Observation.derivedFrom", "us-core-questionnaireresponse")],
    ],
    requirement: "439",
  },
];

/** An item that only some systems have to support, or that is to be left out. */
export interface Excuse {
  /** The profile, or a profile that it builds on. */
  readonly profile: string;
  readonly item: string;
  readonly requirement: string;
  /** Profiles that build on it and demand it all the same. */
  readonly except?: readonly string[];
}

const PANELS = ["us-core-blood-pressure", "us-core-pulse-oximetry"];

export const EXCUSES: readonly Excuse[] = [
  // Only what is measured in parts has components.
  { profile: "us-core-vital-signs", item: "Observation.component", requirement: "447", except: PANELS },
  // Who always records a value has no reason to give for the lack of one.
  { profile: "us-core-vital-signs", item: "Observation.dataAbsentReason", requirement: "429" },
  {
    profile: "us-core-vital-signs",
    item: "Observation.component.dataAbsentReason",
    requirement: "426",
    except: ["us-core-blood-pressure"],
  },
  {
    profile: "us-core-pulse-oximetry",
    item: "Observation.component:FlowRate.dataAbsentReason",
    requirement: "426",
  },
  {
    profile: "us-core-pulse-oximetry",
    item: "Observation.component:Concentration.dataAbsentReason",
    requirement: "426",
  },
  ...["us-core-observation-clinical-result", "us-core-observation-screening-assessment"].map((profile) => ({
    profile,
    item: "Observation.dataAbsentReason",
    requirement: "429",
  })),
  // The value of a blood pressure is in its two components.
  { profile: "us-core-blood-pressure", item: "Observation.value[x]", requirement: "449" },
];
