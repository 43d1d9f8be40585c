import { dirname, relative } from "node:path";
import { Blocked, type CheckContext } from "../../lib/checks/context.ts";
import { isTold, readAsked, writeAsked, type Act, type Asked } from "../../lib/checks/waiting.ts";
import type { Guided, TenantOwner, Withdrawal } from "../../lib/config/owner.ts";

/** What is to happen to an application's access, and how to see that it has. */
interface Change {
  readonly act: Act;
  /** Client id. */
  readonly application: string;
  /** What a person is asked to do, as one sentence. */
  readonly words: string;
  /** Whether the servers act on it already. */
  noticed(context: CheckContext): Promise<boolean>;
}

/** Waits, not longer than a time. */
export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/**
 * Tries again until something holds or the time is up, twenty times at most.
 *
 * @param seconds from now
 * @returns what came last, and how many seconds after `since` (milliseconds since 1970) it held
 */
export async function repeatUntil<T>(
  attempt: () => Promise<T>,
  holds: (value: T) => boolean,
  seconds: number,
  since: number,
): Promise<{ readonly last: T; readonly after?: number }> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const last = await attempt();
    const now = Date.now();
    if (holds(last)) return { last, after: (now - since) / 1000 };
    if (now >= end) return { last };
    await pause(Math.min(Math.max(seconds / 20, 0.05), (end - now) / 1000));
  }
}

/** Has the tenant owner change the tenant's authorization of an application. */
export async function changeAuthorization(
  context: CheckContext,
  owner: TenantOwner,
  change: Change & { readonly act: "revoke" | "approve" },
): Promise<void> {
  if (owner.driver === "guided") {
    await askPerson(context, owner, change);
    return;
  }
  const url = filled(context, owner[change.act], change.application, encodeURIComponent);
  const { origin } = new URL(url);
  const response = await context.send({
    method: "POST",
    url,
    retry: "idempotent",
    redirect: "manual",
    ...(owner.secret === undefined ? {} : { bearer: { value: owner.secret.reveal(), origin } }),
    purpose: `tenant owner: ${change.act}`,
  });
  if (response.status >= 200 && response.status < 300) return;
  throw new Blocked(
    `the tenant owner's address (tenantOwner.${change.act}) answered with status ${response.status}`,
  );
}

/** Has the user withdraw their consent to an application. */
export async function withdrawConsent(
  context: CheckContext,
  withdrawal: Withdrawal,
  change: Change & { readonly act: "withdraw" },
): Promise<void> {
  if (withdrawal.driver === "guided") {
    await askPerson(context, withdrawal, change);
    return;
  }
  const { login } = context.target;
  const password = login !== undefined && "password" in login ? login.password?.reveal() : undefined;
  if (password !== undefined) context.surroundings.keepSecret(password, "password");
  const values: Readonly<Record<string, string>> = {
    user: login?.user ?? "",
    password: password ?? "",
    client: change.application,
  };
  const body = new URLSearchParams();
  for (const [name, text] of Object.entries(withdrawal.fields)) {
    body.set(
      name,
      text.replaceAll(/\{(user|password|client)\}/g, (whole, key: string) => values[key] ?? whole),
    );
  }
  const response = await context.send({
    method: "POST",
    url: filled(context, withdrawal.url, change.application, encodeURIComponent),
    body,
    retry: "never",
    redirect: "manual",
    purpose: "the user withdraws consent",
  });
  if (response.status >= 200 && response.status < 400) return;
  throw new Blocked(`the address for withdrawal (withdrawal.url) answered with status ${response.status}`);
}

function filled(
  { target }: CheckContext,
  text: string,
  client: string,
  encode: (value: string) => string,
): string {
  const values: Readonly<Record<string, string>> = {
    origin: new URL(target.base).origin,
    uuid: target.uuid ?? "",
    api: target.api,
    authorization: target.authorizationBase ?? "",
    client: encode(client),
  };
  const url = text.replaceAll(/\{([a-z]+)\}/gi, (whole, name: string) => values[name] ?? whole);
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new Blocked(`${text} in the configuration does not become a URL`);
}

/** Asks a person, and waits until it is noticed, or told by another process, or the time is up. */
async function askPerson(context: CheckContext, guided: Guided, change: Change): Promise<void> {
  const { kept, surroundings, target } = context;
  const asked = question(context, guided, change);
  writeAsked(kept, asked);
  const until = Date.parse(asked.until);
  const out = kept.folder === undefined ? undefined : shown(dirname(dirname(kept.folder)));
  const confirm =
    out === undefined ? "" : ` When it is done: careconnect-conformance revocation --done --out ${out}\n`;
  surroundings.announce(
    `\n${target.api}: ${change.words}\n Waiting until ${clock(until)}; it is noticed as soon as the servers act on it.\n${confirm} Ctrl-C ends the run; run --resume goes on.\n\n`,
  );
  for (;;) {
    if (isTold(kept, asked) || (await change.noticed(context))) {
      writeAsked(kept, { ...asked, state: "done" });
      surroundings.announce(`${target.api}: done (${change.act} ${change.application}), going on\n`);
      return;
    }
    if (Date.now() >= until) break;
    await pause(Math.min(guided.everySeconds, Math.max(0.05, (until - Date.now()) / 1000)));
  }
  writeAsked(kept, { ...asked, state: "given-up" });
  throw new Blocked(
    `nobody did it in ${guided.minutes} minutes: ${change.words} Then go on with run --resume`,
  );
}

/** What is asked now: a question that an earlier process asked keeps its time limit while that lasts. */
function question({ kept }: CheckContext, guided: Guided, change: Change): Asked {
  const earlier = readAsked(kept);
  const { act, application, words } = change;
  const isSame = earlier?.state === "waiting" && earlier.act === act && earlier.application === application;
  if (isSame && Date.parse(earlier.until) > Date.now()) return earlier;
  const now = Date.now();
  return {
    act,
    application,
    words,
    since: new Date(now).toISOString(),
    until: new Date(now + guided.minutes * 60_000).toISOString(),
    state: "waiting",
  };
}

/** A folder as short as it can be named from here. */
function shown(folder: string): string {
  const short = relative(process.cwd(), folder);
  return short === "" || short.startsWith("..") ? folder : short;
}

const clock = (time: number) => new Date(time).toLocaleTimeString("en-GB", { timeZoneName: "short" });
