import { createValidator } from "../index.ts";
import { loadDefinitions } from "../pack/index.ts";
import { openTerminologyService } from "../terminology.ts";
import type { JudgeOptions } from "./judge.ts";
import type { PrintSettings } from "./record.ts";

/** What a command asks for, as plain data: it is handed to threads. */
export interface JudgeSettings {
  /** A built-in guide (`us-core-6.1.0`), an archive, or `name#version`; base R4 and claimed US Core profiles otherwise. */
  readonly guide: string | undefined;
  readonly profiles: readonly string[];
  readonly print: PrintSettings;
  readonly terminology?: { readonly url: string; readonly cacheFolder?: string } | undefined;
}

/** Loads the definitions and makes what judging needs. */
export async function openJudgeOptions(settings: JudgeSettings): Promise<JudgeOptions> {
  const definitions = await loadDefinitions(settings.guide === undefined ? [] : [settings.guide]);
  return {
    validator: createValidator(definitions),
    profiles: settings.profiles,
    guideProfiles: settings.guide !== undefined,
    print: settings.print,
    terminology:
      settings.terminology === undefined ? undefined : openTerminologyService(settings.terminology),
  };
}
