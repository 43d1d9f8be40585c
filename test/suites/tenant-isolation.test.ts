import { describe, expect, test } from "vitest";
import type { FaultDefinition } from "../../lib/sandbox/catalogue.ts";
import { startAsking } from "./asking.ts";

const RIVERBEND = "6f1d0f3e-2b64-4c58-9a55-0d3c7a1e4b21";
const HARBOR = "b84f2c07-91d5-4e3a-8c60-52f7e9a0d314";

/** A server that makes the best of dot segments: it takes the first tenant id, whose token was sent. */
const RESOLVES_TO_OWN: FaultDefinition = {
  id: "test.resolves-to-own",
  description: "What is meant for the second tenant goes to the first.",
  trips: [],
  on: { tenant: "second", path: "/Patient", query: { _count: "2" } },
  change: [{ json: { resourceType: "Bundle", type: "searchset", entry: [] } }, { status: 200 }],
};

describe("paths that confuse", () => {
  test("are sent as they are written", async () => {
    const asking = await startAsking("provider-patient-access");
    try {
      await asking.ask("tenant-isolation", [
        "path-dot-segments",
        "path-double-slash",
        "path-encoded-slashes",
      ]);
      const urls = asking.exchanges.map(({ request }) => request.url);
      const base = `${asking.sandbox.origin}/provider/patient-access/v2`;
      expect(urls).toContain(`${base}/${RIVERBEND}/../${HARBOR}/Patient?_count=2`);
      expect(urls).toContain(`${base}//${HARBOR}/Patient?_count=2`);
      expect(urls).toContain(`${base}/${RIVERBEND}%2f..%2f${HARBOR}/Patient?_count=2`);
    } finally {
      await asking.close();
    }
  });
});

describe("a server that answers such a path", () => {
  test("leaks nothing while it shows nothing of another tenant", async () => {
    const asking = await startAsking("provider-patient-access", {
      furtherFaults: [RESOLVES_TO_OWN],
      faults: [RESOLVES_TO_OWN.id],
    });
    try {
      const verdicts = await asking.ask("tenant-isolation", ["path-dot-segments"]);
      expect(verdicts["path-dot-segments"]).toEqual({ status: "pass" });
    } finally {
      await asking.close();
    }
  });
});

describe("ids that exist at two tenants", () => {
  test("are no leak where each tenant shows its own", async () => {
    // The first tenant answers for the id of the second's patient with a patient of its own.
    const fault: FaultDefinition = {
      id: "test.same-ids",
      description: "The ids of the second tenant exist at the first too.",
      trips: [],
      on: { tenant: "first", path: "/Patient/harbor-patient-1" },
      change: [
        { json: { resourceType: "Patient", id: "harbor-patient-1", gender: "unknown" } },
        { status: 200 },
      ],
    };
    const asking = await startAsking("provider-patient-access", {
      furtherFaults: [fault],
      faults: [fault.id],
    });
    try {
      const verdicts = await asking.ask("tenant-isolation", ["other-tenants-patient"]);
      expect(verdicts["other-tenants-patient"]).toEqual({ status: "pass" });
    } finally {
      await asking.close();
    }
  });
});

describe("without a registration at another tenant", () => {
  test("what can be asked is asked, and the rest is not applicable", async () => {
    const asking = await startAsking("provider-system-access", {
      change: (target) => {
        const { client: _, login: __, ...there } = target.atOtherTenant ?? target;
        return { ...target, atOtherTenant: there };
      },
    });
    try {
      const verdicts = await asking.ask("tenant-isolation");
      const found = Object.values(verdicts).map(({ status }) => status);
      expect(new Set(found)).toEqual(new Set(["pass", "not-applicable"]));
      expect(verdicts["token-at-other-tenant"]?.status).toBe("pass");
      expect(verdicts["client-at-other-tenant"]?.status).toBe("pass");
      expect(verdicts["path-upper-case"]?.status).toBe("pass");
      expect(verdicts["other-tenants-token-here"]).toMatchObject({
        status: "not-applicable",
        reason: expect.stringContaining("atOtherTenant") as string,
      });
    } finally {
      await asking.close();
    }
  });
});

describe("a token", () => {
  test("goes to no origin but that of its API", async () => {
    const asking = await startAsking("provider-system-access");
    try {
      await asking.ask("tenant-isolation");
      const elsewhere = asking.exchanges.filter(
        ({ request }) =>
          !request.url.startsWith(asking.sandbox.origin) &&
          request.headers.some(([name]) => name.toLowerCase() === "authorization"),
      );
      expect(elsewhere).toEqual([]);
    } finally {
      await asking.close();
    }
  });
});
