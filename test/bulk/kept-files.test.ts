import { createDecipheriv, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keepFile } from "../../lib/checks/bulk/kept-files.ts";
import { secretOf } from "../../lib/config/secret.ts";
import { BULK_DEFAULTS } from "../../lib/config/targets.ts";
import { inTemporaryFolder } from "../cli/process.ts";

const file = { kind: "output", index: 3, type: "Patient", url: "https://server.example/1" } as const;
const LINES = ['{"resourceType":"Patient","id":"1"}\n', '{"resourceType":"Patient","id":"2"}\n'];

describe("exported files", () => {
  it("are kept only where that is wanted", async () => {
    await inTemporaryFolder(async (folder) => {
      expect(await keepFile(folder, BULK_DEFAULTS, file)).toBeUndefined();
      expect(await keepFile(undefined, { ...BULK_DEFAULTS, keepFiles: "plain" }, file)).toBeUndefined();
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  it("are readable by their owner only", async () => {
    await inTemporaryFolder(async (folder) => {
      const kept = await keepFile(folder, { ...BULK_DEFAULTS, keepFiles: "plain" }, file);
      for (const line of LINES) await kept?.write(Buffer.from(line));
      await kept?.end();
      const path = join(folder, "files", "output-3-Patient.ndjson");
      expect(readFileSync(path, "utf8")).toBe(LINES.join(""));
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(statSync(join(folder, "files")).mode & 0o777).toBe(0o700);
    });
  });

  it("are not named by what a server says", async () => {
    await inTemporaryFolder(async (folder) => {
      const odd = { ...file, type: "../../etc/passwd" };
      await (await keepFile(folder, { ...BULK_DEFAULTS, keepFiles: "plain" }, odd))?.end();
      expect(readdirSync(join(folder, "files"))).toEqual(["output-3-unknown.ndjson"]);
    });
  });

  it("can be encrypted, and read with the key alone", async () => {
    await inTemporaryFolder(async (folder) => {
      const key = randomBytes(32);
      const fileKey = secretOf("file_key", key.toString("base64"));
      const kept = await keepFile(folder, { ...BULK_DEFAULTS, keepFiles: "encrypted", fileKey }, file);
      for (const line of LINES) await kept?.write(Buffer.from(line));
      await kept?.end();
      const bytes = readFileSync(join(folder, "files", "output-3-Patient.ndjson.enc"));
      expect(bytes.toString("latin1")).not.toContain("Patient");
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(4, 16));
      decipher.setAuthTag(bytes.subarray(-16));
      const text = Buffer.concat([decipher.update(bytes.subarray(16, -16)), decipher.final()]);
      expect(text.toString("utf8")).toBe(LINES.join(""));
    });
  });
});
