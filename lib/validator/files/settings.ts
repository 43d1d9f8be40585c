import { ConfigurationError } from "../../config/configuration-error.ts";
import { loadDefinitions } from "../pack/load.ts";
import { createValidator } from "../validator.ts";
import type { Closable, JudgeOptions } from "./judge.ts";
import type { TerminologyService } from "../terminology.ts";
import type { PrintSettings } from "./record.ts";

/** What a command asks for, as plain data: it is handed to threads. */
export interface JudgeSettings {
  /** A guide as `loadDefinitions` knows them; its profiles also judge resources that claim none. */
  readonly guide: string | undefined;
  readonly profiles: readonly string[];
  readonly print: PrintSettings;
  readonly terminology?: { readonly url: string; readonly cacheFolder?: string } | undefined;
}

/** Profiles that a resource may claim without a guide being named; an unversioned claim means the first. */
const CLAIMABLE = ["us-core-6.1.0", "us-core-3.1.1"];

/**
 * Loads the definitions and makes what judging needs.
 *
 * @throws PackError where the guide cannot be had, ConfigurationError where it has no such profile.
 */
export async function openJudgeOptions(settings: JudgeSettings): Promise<JudgeOptions> {
  const definitions = await loadDefinitions(settings.guide === undefined ? CLAIMABLE : [settings.guide]);
  for (const profile of settings.profiles) {
    if (definitions.structure(profile) === undefined) {
      throw new ConfigurationError(
        `--profile ${profile}: there is no such profile in the definitions loaded`,
      );
    }
  }
  return {
    validator: createValidator(definitions),
    definitions,
    profiles: settings.profiles,
    guideProfiles: settings.guide !== undefined,
    print: settings.print,
    terminology: settings.terminology === undefined ? undefined : await openService(settings.terminology),
  };
}

/** Loaded where it is asked for: most commands judge offline, and the first verdict should not wait. */
async function openService(
  options: NonNullable<JudgeSettings["terminology"]>,
): Promise<TerminologyService & Closable> {
  const { openTerminologyHttp } = await import("../terminology-http.ts");
  const { openTerminologyService } = await import("../terminology.ts");
  const http = openTerminologyHttp();
  const service = openTerminologyService({ ...options, fetch: http.fetch });
  return {
    lookUp: (codes) => service.lookUp(codes),
    verify: (result) => service.verify(result),
    get notice() {
      return service.notice;
    },
    close: () => http.close(),
  };
}
