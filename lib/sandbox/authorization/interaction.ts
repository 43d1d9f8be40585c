import { randomUUID } from "node:crypto";
import type { Provider } from "oidc-provider";
import { registrations, type User } from "../data.ts";
import type { Reply, SandboxRequest } from "../exchange.ts";
import { outcomeReply, textReply } from "../exchange.ts";
import { captureExchange } from "./capture.ts";
import type { LaunchContext } from "./launch.ts";
import { consentPage, errorPage, loginPage, managementPage } from "./pages.ts";
import type { AuthorizationServerOptions } from "./server.ts";
import type { TokenStore } from "./store.ts";

export interface Interactions {
  answer(request: SandboxRequest, path: string): Promise<Reply>;
}

interface InteractionOptions extends AuthorizationServerOptions {
  readonly provider: Provider;
  readonly store: TokenStore;
  readonly contexts: Map<string, LaunchContext>;
  readonly mount: string;
}

/** The pages on which a user signs in, chooses a patient, allows or denies, and later withdraws. */
export function createInteractions(options: InteractionOptions): Interactions {
  return {
    async answer(request, path) {
      if (path === "/manage") return manage(options, request);
      try {
        return await interact(options, request);
      } catch (error) {
        if (error instanceof Error && error.name === "SessionNotFound") {
          return errorPage(400, "invalid_request", "This page has expired.");
        }
        throw error;
      }
    },
  };
}

const formOf = (request: SandboxRequest) => new URLSearchParams(request.body.toString("utf8"));

async function interact(options: InteractionOptions, request: SandboxRequest): Promise<Reply> {
  const { provider, mount, tenant } = options;
  const { request: incoming, response, reply } = captureExchange(request, mount);
  const details = await provider.interactionDetails(incoming, response);
  const finish = async (result: Parameters<Provider["interactionFinished"]>[2]) => {
    await provider.interactionFinished(incoming, response, result, { mergeWithLastSubmission: true });
    return reply;
  };
  if (request.method !== "GET" && request.method !== "POST") return outcomeReply(405, "GET or POST.");
  const form = formOf(request);
  const title = tenant?.name ?? "Legacy authorization";

  if (details.prompt.name === "login") {
    if (request.method === "GET") return loginPage(title);
    if (form.get("action") === "cancel") return finish(denied("The user did not sign in."));
    const user = signIn(options, form);
    return user === undefined
      ? loginPage(title, "User name or password is wrong.")
      : finish({ login: { accountId: user.id } });
  }

  const user = registrations().users.find((each) => each.id === details.session?.accountId);
  if (user === undefined) return errorPage(400, "invalid_request", "Nobody is signed in.");
  const parameters = details.params as { client_id?: string; scope?: string; launch?: string };
  const scopes = parameters.scope?.split(" ") ?? [];
  const launched = parameters.launch === undefined ? undefined : options.launches.find(parameters.launch);
  const patients = launched === undefined ? patientsToChoose(options, user, scopes) : [];
  if (request.method === "GET") {
    return consentPage({ application: parameters.client_id ?? "", user: user.id, scopes, patients });
  }
  if (form.get("decision") !== "allow") return finish(denied("The user said no."));

  const chosen = patients.find((each) => each.id === form.get("patient"));
  if (patients.length > 0 && chosen === undefined)
    return errorPage(400, "invalid_request", "No patient was chosen.");
  const context = launched?.context ?? contextOf(user, chosen?.id, scopes);
  const allowed = form.has("scope") ? scopes.filter((scope) => form.getAll("scope").includes(scope)) : scopes;
  const grant = new provider.Grant({ accountId: user.id, clientId: parameters.client_id ?? "" });
  grant.addOIDCScope(allowed.join(" "));
  const missing = details.prompt.details["missingResourceScopes"] as Record<string, string[]> | undefined;
  for (const [resource, wanted] of Object.entries(missing ?? {})) {
    grant.addResourceScope(resource, wanted.filter((scope) => allowed.includes(scope)).join(" "));
    const refused = wanted.filter((scope) => !allowed.includes(scope));
    if (refused.length > 0) grant.rejectResourceScope(resource, refused.join(" "));
  }
  const refused = scopes.filter((scope) => !allowed.includes(scope));
  if (refused.length > 0) grant.rejectOIDCScope(refused.join(" "));
  grant.jti = randomUUID();
  const grantId = await grant.save();
  options.contexts.set(grantId, context);
  return finish({ consent: { grantId } });
}

const denied = (description: string) => ({ error: "access_denied", error_description: description });

function signIn({ state, tenant }: InteractionOptions, form: URLSearchParams): User | undefined {
  const user = registrations().users.find((each) => each.id === form.get("username"));
  if (user === undefined || (tenant !== undefined && user.tenant !== tenant.id)) return undefined;
  return state.credentials.passwords.get(user.id) === form.get("password") ? user : undefined;
}

/** A practitioner chooses a patient for an application that asks for one; a patient is their own. */
function patientsToChoose({ state, tenant }: InteractionOptions, user: User, scopes: readonly string[]) {
  const needsPatient = scopes.some((scope) => scope === "launch/patient" || scope.startsWith("patient/"));
  if (!needsPatient || user.fhirUser.startsWith("Patient/")) return [];
  return state.population(tenant?.id ?? user.tenant).patients();
}

function contextOf(user: User, chosen: string | undefined, scopes: readonly string[]): LaunchContext {
  const own = user.fhirUser.startsWith("Patient/") ? user.fhirUser.slice("Patient/".length) : undefined;
  const needsPatient = scopes.some((scope) => scope === "launch/patient" || scope.startsWith("patient/"));
  const patient = needsPatient ? (chosen ?? own) : undefined;
  return { needPatientBanner: true, ...(patient === undefined ? {} : { patient }) };
}

function manage(options: InteractionOptions, request: SandboxRequest): Reply {
  const title = options.tenant?.name ?? "Legacy authorization";
  if (request.method === "GET" || request.method === "HEAD") return loginPage(title);
  if (request.method !== "POST") return textReply(405, "text/plain", "GET or POST.");
  const form = formOf(request);
  const user = signIn(options, form);
  if (user === undefined) return loginPage(title, "User name or password is wrong.");
  const application = form.get("application");
  if (application === null) return managementPage(user.id, options.store.grantedClients(user.id));
  const { withdrawalEnds } = options.state.settings;
  if (withdrawalEnds !== "nothing")
    options.store.withdraw(user.id, application, withdrawalEnds === "refresh");
  return managementPage(
    user.id,
    options.store.grantedClients(user.id),
    `${application} has no access any more.`,
  );
}
