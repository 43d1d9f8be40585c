import { afterEach, describe, expect, test } from "vitest";
import { NoData } from "../../lib/checks/context.ts";
import { patientsInReach } from "../../lib/checks/records/patients.ts";
import { recordsOf, someRecordsOf } from "../../lib/checks/records/records.ts";
import { search } from "../../lib/checks/records/searching.ts";
import { openOnSandbox, type Opened } from "../smart/sandbox-session.ts";

let opened: Opened | undefined;

afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

const fhirRequests = ({ exchanges, target }: Opened) =>
  exchanges.filter(
    ({ request }) => request.url.startsWith(target.base) && request.url !== `${target.base}/metadata`,
  );

describe("the resources in reach", () => {
  test("are those of the token's patient, each with the exchange it came with", async () => {
    opened = await openOnSandbox("provider-patient-access");
    const records = await recordsOf(opened.context(), "Condition");
    expect(records.resources.length).toBeGreaterThan(0);
    expect(new Set(records.resources.map(({ patient }) => patient))).toEqual(
      new Set(["riverbend-patient-1"]),
    );
    const ids = new Set(opened.exchanges.map(({ id }) => id as string));
    expect(records.resources.every(({ exchange }) => ids.has(exchange))).toBe(true);
  });

  test("are fetched once, whoever asks", async () => {
    opened = await openOnSandbox("provider-patient-access");
    await Promise.all([1, 2, 3].map(async () => recordsOf((opened as Opened).context(), "Immunization")));
    await search(opened.context(), {
      type: "Immunization",
      parameters: [["patient", "riverbend-patient-1"]],
    });
    const sent = fhirRequests(opened).filter(({ request }) => request.url.includes("/Immunization"));
    expect(sent).toHaveLength(1);
  });

  test("of types that belong to nobody's record are read where others refer to them", async () => {
    opened = await openOnSandbox("provider-patient-access");
    const records = await recordsOf(opened.context(), "Practitioner");
    expect(records.resources.length).toBeGreaterThan(0);
    expect(records.resources.every(({ source }) => source === "read")).toBe(true);
  });

  test("of Provenance come along with what they are about", async () => {
    opened = await openOnSandbox("provider-patient-access");
    const records = await recordsOf(opened.context(), "Provenance");
    expect(records.resources.every(({ source }) => source === "include")).toBe(true);
    expect(records.resources.length).toBeGreaterThan(0);
  });

  test("of system access are those of a group's members where the configuration names no patient", async () => {
    opened = await openOnSandbox("provider-system-access", {
      change: (target) => ({ ...target, patients: [] }),
    });
    const { ids, chosen } = await opened.context().fact(patientsInReach);
    expect(ids).toHaveLength(5);
    expect(chosen).toBe("members of a group");
  });

  test("that are none are told from a type that is not offered", async () => {
    opened = await openOnSandbox("provider-patient-access");
    const context = opened.context();
    await expect(recordsOf(context, "ImagingStudy")).rejects.toThrow(
      "does not declare the resource type ImagingStudy",
    );
    await expect(someRecordsOf(context, "Condition")).resolves.toBeDefined();
    await opened.close();
    opened = await openOnSandbox("provider-patient-access", {
      change: (target) => ({ ...target, access: "system", patients: ["nobody"] }),
    });
    await expect(someRecordsOf(opened.context(), "Condition")).rejects.toThrow(NoData);
  });
});
