import { randomBytes } from "node:crypto";
import type { JsonObject } from "../json.ts";

/** What an application learns with its token (SMART 2.0.0, "Launch context arrives with your access_token"). */
export interface LaunchContext {
  readonly patient?: string;
  readonly encounter?: string;
  readonly needPatientBanner: boolean;
}

/** Launches an EHR has announced, by the opaque value of the `launch` parameter. */
export interface Launches {
  open(launch: { readonly base: string; readonly context: LaunchContext }): string;
  find(launch: string): { readonly base: string; readonly context: LaunchContext } | undefined;
}

export function createLaunches(): Launches {
  const opened = new Map<string, { base: string; context: LaunchContext; expires: number }>();
  return {
    open(launch) {
      const token = randomBytes(18).toString("base64url");
      opened.set(token, { ...launch, expires: Date.now() + 300_000 });
      return token;
    },
    find(token) {
      const found = opened.get(token);
      return found === undefined || found.expires < Date.now() ? undefined : found;
    },
  };
}

/** The members of a token response that carry a launch context. */
export function launchParameters(context: LaunchContext, styleUrl: string): JsonObject {
  return {
    ...(context.patient === undefined ? {} : { patient: context.patient }),
    ...(context.encounter === undefined ? {} : { encounter: context.encounter }),
    need_patient_banner: context.needPatientBanner,
    smart_style_url: styleUrl,
  };
}
