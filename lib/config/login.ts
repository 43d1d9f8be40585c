import type { Secret } from "./secret.ts";

/** How a page of a login is filled in and sent; values may be `{user}`, `{password}`, `{patient}`. */
export interface FormAnswer {
  /** Values by field name. */
  readonly fill?: Readonly<Record<string, string>>;
  /** The button that is pressed, as name and value. */
  readonly press?: Readonly<Record<string, string>>;
}

export interface FormPage extends FormAnswer {
  /** Names of fields or buttons that a form of the page must have. */
  readonly has: readonly string[];
  /** What is done instead when the user is to deny. */
  readonly deny?: FormAnswer;
}

/** One step in a browser: `fill` with `with`, `choose` the option `with`, or `press`; each names a CSS selector. */
export interface BrowserStep {
  readonly fill?: string;
  readonly choose?: string;
  readonly press?: string;
  readonly with?: string;
  /** Pressed instead when the user is to deny. */
  readonly deny?: string;
  /** Passed over when it does not show up. */
  readonly optional?: true;
}

interface LoginShared {
  readonly user?: string;
  readonly timeoutSeconds: number;
}

/** How a user gets through login and consent, secrets in memory. */
export type Login =
  | (LoginShared & {
      readonly driver: "form";
      readonly password?: Secret;
      readonly pages: readonly FormPage[];
    })
  | (LoginShared & {
      readonly driver: "browser";
      readonly password?: Secret;
      readonly steps: readonly BrowserStep[];
      readonly executable?: string;
    })
  | (LoginShared & {
      readonly driver: "manual";
      /** Ask the person again for each check that needs a login of its own. */
      readonly repeat: boolean;
    })
  | (LoginShared & {
      readonly driver: "refresh-token";
      /** File of the refresh token, absolute. */
      readonly file: string;
      /** The same as the user wrote it. */
      readonly shown: string;
    });

/** As it stands in a tenant's file. */
export interface LoginEntry {
  readonly driver: Login["driver"];
  readonly user?: string;
  readonly password?: string;
  readonly timeoutSeconds?: number;
  readonly repeat?: boolean;
  readonly pages?: readonly FormPage[];
  readonly steps?: readonly BrowserStep[];
  readonly executable?: string;
  readonly file?: string;
}
