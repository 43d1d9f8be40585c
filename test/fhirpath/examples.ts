import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import * as tar from "tar";

const packages = [process.env["FHIR_PACKAGES"], join(homedir(), ".fhir/packages")].filter(
  (folder) => folder !== undefined,
);
/** The official US Core 6.1.0 archive on this machine. */
export const usCoreArchive = packages
  .map((folder) => join(folder, "hl7.fhir.us.core-6.1.0.tgz"))
  .find((file) => existsSync(file));

/** The resources among a package's examples. */
export function archiveExamples(file: string): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  tar.list({
    file,
    sync: true,
    onReadEntry: (entry) => {
      if (!/^package\/example\/.*\.json$/.test(entry.path)) {
        entry.resume();
        return;
      }
      const chunks: Buffer[] = [];
      entry.on("data", (chunk: Buffer) => chunks.push(chunk));
      entry.on("end", () => {
        const resource = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Record<string, unknown>;
        if (typeof resource["resourceType"] === "string") found.push(resource);
      });
    },
  });
  return found;
}
