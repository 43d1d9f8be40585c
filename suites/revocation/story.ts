import { Blocked, type CheckContext, type Fact } from "../../lib/checks/context.ts";
import { authorizeAnew, explained, granted } from "../../lib/checks/tokens.ts";
import { readAsked, type Act, type Asked } from "../../lib/checks/waiting.ts";
import type { TenantOwner } from "../../lib/config/owner.ts";
import type { ClientRegistration } from "../../lib/config/targets.ts";
import { callApi, isService, lost, requestToken, endOf, SPARE_SECONDS } from "./access.ts";
import { changeAuthorization, repeatUntil } from "./change.ts";
import { beginCourse, type Course } from "./course.ts";
import { REVOCABLE, revocable, tenantOwner, turns } from "./registration.ts";
import { noteRestoration, approve } from "./authorization.ts";
import { prepare, holdElsewhere, type Holdings } from "./holdings.ts";
import { AGAIN, isRefused, lookAtAll, lookWithoutTokens } from "./look.ts";

/** The tenant's authorization taken away, and given back. */
interface Story {
  /** What is seen while the authorization is revoked. */
  readonly revoked: Promise<Course>;
  /** What is seen after it was given back. */
  readonly restored: Promise<Course>;
}

/**
 * The one course of events that most checks of the suite look at: an application gets tokens, its tenant
 * authorization is revoked, everything is tried, it is given back, and tried again.
 */
const story: Fact<Story> = {
  name: "revocation of the tenant's authorization",
  explainedBy: "revocation.access-token-dies",
  async provide(context) {
    const client = revocable(context);
    const owner = tenantOwner(context);
    const inTurn = await context.fact(turns);
    const own = context.aside();
    const restored = deferred<Course>();
    const revoked = deferred<Course>();
    const left = await context.fact(leftBehind);
    const done = inTurn(async () => {
      const progress = { mayBeRevoked: false };
      try {
        revoked.resolve(await revokeAndLook(own, client, owner, left, progress));
      } catch (error) {
        revoked.reject(error);
        restored.reject(error);
        if (!progress.mayBeRevoked) return;
      }
      try {
        restored.resolve(await restoreAndLook(own, client, owner));
      } catch (error) {
        restored.reject(error);
      }
    });
    context.onClose(() => done);
    return { revoked: revoked.promise, restored: restored.promise };
  },
};

/** What is seen while the authorization is revoked. */
export async function whileRevoked(context: CheckContext): Promise<Course> {
  return await (
    await context.fact(story)
  ).revoked;
}

/** What is seen after the authorization was given back. */
export async function onceRestored(context: CheckContext): Promise<Course> {
  const { id } = revocable(context);
  const left = await context.fact(leftBehind);
  // An earlier process saw the first half and was waiting for this one.
  if (awaits(left, "approve", id)) return await context.fact(restoration);
  return await (
    await context.fact(story)
  ).restored;
}

/** What an earlier process asked a person to do, as this one began. */
const leftBehind: Fact<Asked | undefined> = {
  name: "what an earlier run left behind",
  explainedBy: "revocation.access-token-dies",
  provide: ({ kept }) => Promise.resolve(readAsked(kept)),
};

const awaits = (asked: Asked | undefined, act: Act, application: string) =>
  asked?.act === act && asked.application === application && asked.state !== "done";

/** Only the second half, when the first was seen by an earlier process. */
const restoration: Fact<Course> = {
  name: "restoration of the tenant's authorization",
  explainedBy: "revocation.works-again-token",
  async provide(context) {
    const client = revocable(context);
    const owner = tenantOwner(context);
    const inTurn = await context.fact(turns);
    const own = context.aside();
    return await inTurn(() => restoreAndLook(own, client, owner));
  },
};

const nothing = () => undefined;

function deferred<T>() {
  let resolve: (value: T) => void = nothing;
  let reject: (error: unknown) => void = nothing;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Whoever looks handles it; nobody may look.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** What the application holds; where it holds nothing, because it is revoked already, why. */
type Begun = { readonly held: Holdings } | { readonly nothing: string };

async function revokeAndLook(
  context: CheckContext,
  client: ClientRegistration,
  owner: TenantOwner,
  left: Asked | undefined,
  progress: { mayBeRevoked: boolean },
): Promise<Course> {
  const begun = await begin(context, client, owner, left);
  if ("nothing" in begun) {
    progress.mayBeRevoked = true;
    const course = beginCourse(context);
    await lookWithoutTokens(course, client, owner, begun.nothing);
    return course;
  }
  let { token } = begun.held;
  await holdElsewhere(context);
  const spare = owner.effectSeconds + SPARE_SECONDS;
  // Exports may have taken longer than the token lives.
  if (Date.now() > endOf(token) - spare * 1000) ({ token } = await lost(context, client, token, spare));
  if (owner.driver === "http") {
    // Whatever becomes of this process: the next one, or a person, must know that access is to be given back.
    noteRestoration(context, client, "waiting");
    progress.mayBeRevoked = true;
  }
  await changeAuthorization(context, owner, {
    act: "revoke",
    application: client.id,
    words: `Ask the tenant owner of ${context.target.tenantName} to revoke the authorization of the application ${client.id}.`,
    noticed: async (own) => {
      const seen = await lost(own, client, token, spare);
      token = seen.token;
      return seen.isLost;
    },
  });
  progress.mayBeRevoked = true;
  return await lookAtAll(context, client, owner, { ...begun.held, token });
}

async function begin(
  context: CheckContext,
  client: ClientRegistration,
  owner: TenantOwner,
  left: Asked | undefined,
): Promise<Begun> {
  try {
    return { held: await prepare(context, client) };
  } catch (error) {
    // Without a finding it is not the server that gives no token.
    if (!(error instanceof Blocked) || error.findings.length === 0) throw error;
    if (owner.driver === "http" || awaits(left, "approve", client.id)) {
      // A run that was killed has left it revoked.
      await approve(context, client, owner);
      return { held: await prepare(context, client) };
    }
    if (awaits(left, "revoke", client.id)) {
      return {
        nothing: "the run that held its tokens had ended when the tenant owner revoked the application",
      };
    }
    throw new Blocked(
      `the application ${client.id} gets no access before anything is revoked: ${error.message}`,
      error.by,
      error.findings,
    );
  }
}

async function restoreAndLook(
  context: CheckContext,
  client: ClientRegistration,
  owner: TenantOwner,
): Promise<Course> {
  await approve(context, client, owner);
  const course = beginCourse(context);
  const since = Date.now();
  await course.observe(AGAIN.token, async (own) => {
    const attempt = () =>
      isService(own)
        ? requestToken(own, client)
        : explained(own, async () => (await authorizeAnew(own, { client: REVOCABLE })).answer);
    if (!isService(own)) return await attempt();
    return (await repeatUntil(attempt, (answer) => !isRefused(answer), owner.effectSeconds, since)).last;
  });
  await course.observe(AGAIN.api, async (own) => {
    const token = await explained(own, () => Promise.resolve(granted(course.look(own, AGAIN.token))));
    const attempt = () => callApi(own, token, "new token after the restoration");
    return (await repeatUntil(attempt, ({ status }) => status === 200, owner.effectSeconds, since)).last;
  });
  return course;
}
