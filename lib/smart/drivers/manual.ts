import { spawn } from "node:child_process";
import { authorizationUrl, isRedirectTo, readAuthorizationResponse } from "../authorization-request.ts";
import { SmartError } from "../errors.ts";
import type { LoginDriver } from "./driver.ts";
import { listenOnLoopback } from "./loopback.ts";

export interface ManualOptions {
  /** Whether a person is there: a terminal, and no CI. */
  readonly attended: boolean;
  readonly timeoutSeconds: number;
  /** Who should log in, for the words. */
  readonly user: string | undefined;
  /** Says something to the person. */
  readonly announce: (text: string) => void;
  /** Opens the person's browser; false when there is none. */
  readonly open: (url: string) => boolean;
}

/** Asks a person: prints and opens the URL, and waits at the loopback redirect URI. */
export function createManualDriver(options: ManualOptions): LoginDriver {
  // One port, one person: logins go one after the other.
  let before: Promise<unknown> = Promise.resolve();
  return {
    id: "manual",
    unattended: false,
    authorize(request, decision) {
      const run = async () => {
        if (!options.attended) {
          throw new SmartError(
            "needs-person",
            "the login driver is manual, and nobody is there to log in (no terminal, or CI is set); use form, browser or refresh-token for scheduled runs",
          );
        }
        if (request.method === "POST") {
          throw new SmartError("needs-person", "a person's browser cannot be made to start with a POST");
        }
        const listener = await listenOnLoopback(request.redirectUri);
        let reminder: NodeJS.Timeout | undefined;
        try {
          const url = authorizationUrl(request);
          const who = options.user === undefined ? "" : ` as ${options.user}`;
          const what = decision === "allow" ? "allow the access" : "DENY the access";
          const opened = options.open(url);
          options.announce(
            `\nLog in${who} and ${what}${opened ? " in the browser window that opens" : ""}, within ${options.timeoutSeconds} seconds:\n\n  ${url}\n\n`,
          );
          const begun = Date.now();
          reminder = setInterval(() => {
            const left = Math.max(0, Math.round(options.timeoutSeconds - (Date.now() - begun) / 1000));
            options.announce(`  waiting for the login, ${left} seconds left\n`);
          }, 15_000);
          const came = await listener.arrival(options.timeoutSeconds * 1000, (one) => {
            const { state, code, error } = readAuthorizationResponse(one);
            // Another window's or an attacker's answer is not ours (RFC 6749 §10.12).
            return (
              isRedirectTo(one, listener.url) && state === request.state && (code ?? error) !== undefined
            );
          });
          options.announce("  logged in, going on\n");
          return { kind: "redirected", url: came } as const;
        } finally {
          clearInterval(reminder);
          await listener.close();
        }
      };
      const mine = before.then(run, run);
      before = mine.catch(() => undefined);
      return mine;
    },
  };
}

/** Opens a URL in the person's browser; false when no program for that is known. Never throws. */
export function openInBrowser(url: string): boolean {
  const [command, ...before] =
    process.platform === "darwin"
      ? ["open"]
      : process.platform === "win32"
        ? ["rundll32", "url.dll,FileProtocolHandler"]
        : process.env["DISPLAY"] === undefined && process.env["WAYLAND_DISPLAY"] === undefined
          ? []
          : ["xdg-open"];
  if (command === undefined) return false;
  const child = spawn(command, [...before, url], { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
  return true;
}
