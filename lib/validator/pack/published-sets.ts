import type { ValueSetFacts } from "./format.ts";

/*
 * Value sets that US Core 6.1.0 draws on and that stand in no package at hand, as they are kept by the Value Set
 * Authority Center. US Core itself says in public what they hold: in the descriptions of the value sets that are made
 * of them (6.1.0) and in those value sets' own compositions one version earlier (3.1.1). Where it says so only in
 * part, the rest stays not verifiable.
 */

const authority = "http://cts.nlm.nih.gov/fhir/ValueSet/";
const raceAndEthnicity = "urn:oid:2.16.840.1.113883.6.238";
const nullFlavor = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
const administrativeGender = "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender";

const sets: readonly ValueSetFacts[] = [
  {
    // 6.1.0 omb-race-category: the five categories of 1997, and "Other Race".
    url: `${authority}2.16.840.1.114222.4.11.836`,
    include: { [raceAndEthnicity]: ["1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "2131-1"] },
  },
  {
    // 6.1.0 omb-ethnicity-category.
    url: `${authority}2.16.840.1.114222.4.11.837`,
    include: { [raceAndEthnicity]: ["2135-2", "2186-5"] },
  },
  {
    // 6.1.0 omb-race-category and omb-ethnicity-category: unknown, and asked but unknown.
    url: `${authority}2.16.840.1.113762.1.4.1021.102`,
    include: { [nullFlavor]: ["ASKU", "UNK"] },
  },
  {
    // 3.1.1 birthsex.
    url: `${authority}2.16.840.1.113762.1.4.1`,
    include: { [administrativeGender]: ["F", "M"] },
  },
  {
    // 3.1.1 birthsex names UNK; whether there are other null flavors is not said.
    url: `${authority}2.16.840.1.113762.1.4.1021.103`,
    include: { [nullFlavor]: ["UNK"] },
    unverifiable: [nullFlavor],
  },
  // 3.1.1 detailed-race and detailed-ethnicity: descendants of a concept of that system.
  ...["2.16.840.1.113883.1.11.14914", "2.16.840.1.114222.4.11.877", "2.16.840.1.113883.3.2074.1.1.3"].map(
    (oid): ValueSetFacts => ({ url: authority + oid, include: {}, unverifiable: [raceAndEthnicity] }),
  ),
];

const byUrl: ReadonlyMap<string, ValueSetFacts> = new Map(sets.map((facts) => [facts.url, facts]));

/** What is published of a value set that no package at hand defines. */
export function publishedValueSet(url: string): ValueSetFacts | undefined {
  return byUrl.get(url);
}
