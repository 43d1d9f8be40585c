import { createHash, randomUUID, sign } from "node:crypto";
import { answer } from "./answer.ts";
import { locate } from "./places.ts";
import { REDIRECT_URI } from "./redirect.ts";
import { exportMisbehaviours } from "./bulk/misbehaviours.ts";
import { carelessness } from "./authorization/carelessness.ts";
import { leniencies } from "./authorization/leniency.ts";
import { resourceFaults } from "./fhir/resource-faults.ts";
import { searchFaults } from "./fhir/search-faults.ts";
import type { Place, Reply, SandboxRequest } from "./exchange.ts";
import { mixing } from "./mixing.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import type { SandboxState } from "./state.ts";

/** A takeover: it may answer itself, change the request before `next`, or change what `next` answers. */
export interface BehaviourCall {
  readonly state: SandboxState;
  readonly request: SandboxRequest;
  readonly place: Place;
  readonly with: JsonObject;
  readonly next: () => Promise<Reply>;
  /** Says that the sandbox has just misbehaved, so that the fault counts as applied. */
  readonly changed: () => void;
}

export type Behaviour = (call: BehaviourCall) => Promise<Reply>;

const formOf = ({ body }: SandboxRequest) => new URLSearchParams(body.toString("utf8"));

function setForm(request: SandboxRequest, form: URLSearchParams): void {
  request.body = Buffer.from(form.toString());
}

const encode = (value: JsonObject) => Buffer.from(JSON.stringify(value)).toString("base64url");

function decode(part: string | undefined): JsonObject | undefined {
  try {
    const value = JSON.parse(Buffer.from(part ?? "", "base64url").toString("utf8")) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What makes an assertion with a named flaw good; undefined when it does not have the flaw. */
type Mend = (
  assertion: { readonly header: JsonObject; readonly claims: JsonObject },
  server: { readonly client: string; readonly endpoint: string; readonly now: number; readonly kid: string },
) => JsonObject | undefined;

const isSymmetric = (algorithm: Json | undefined) =>
  typeof algorithm === "string" && algorithm.startsWith("HS");

const MENDS: Readonly<Record<string, Mend>> = {
  // The claims stay, and are signed by the right key: whoever signed them was not asked.
  signature: () => ({}),
  audience: ({ claims }, { endpoint }) => (claims["aud"] === endpoint ? undefined : { aud: endpoint }),
  issuer: ({ claims }, { client }) => (claims["iss"] === client ? undefined : { iss: client }),
  expired: ({ claims }, { now }) => (Number(claims["exp"]) <= now ? { exp: now + 60 } : undefined),
  "far-expiry": ({ claims }, { now }) => (Number(claims["exp"]) > now + 300 ? { exp: now + 60 } : undefined),
  "no-expiry": ({ claims }, { now }) => (claims["exp"] === undefined ? { exp: now + 60 } : undefined),
  "not-yet-valid": ({ claims }, { now }) => (Number(claims["nbf"]) > now ? { nbf: now - 60 } : undefined),
  "no-jti": ({ claims }) => (claims["jti"] === undefined ? { jti: randomUUID() } : undefined),
  "replayed-jti": ({ claims }) => (claims["jti"] === undefined ? undefined : { jti: randomUUID() }),
  "unknown-key": ({ header }, { kid }) => (header["kid"] === kid ? undefined : {}),
  "no-algorithm": ({ header }) => (header["alg"] === "none" ? {} : undefined),
  symmetric: ({ header }) => (isSymmetric(header["alg"]) ? {} : undefined),
};

/** Accepts a client assertion that has one flaw (`with.flaw`), and is as strict as ever about all others. */
async function acceptAssertion({
  state,
  request,
  place,
  with: options,
  next,
  changed,
}: BehaviourCall): Promise<Reply> {
  const form = formOf(request);
  const [first, second] = form.get("client_assertion")?.split(".") ?? [];
  const header = decode(first);
  const claims = decode(second);
  const client = claims?.["sub"];
  const key = typeof client === "string" ? state.credentials.keys.get(client) : undefined;
  if (header === undefined || claims === undefined || key === undefined || typeof client !== "string")
    return next();
  const mend = MENDS[options["flaw"] as string];
  if (mend === undefined) throw new Error("acceptAssertion needs with.flaw, one of its flaws.");
  const mended = mend(
    { header, claims },
    {
      client,
      endpoint: `${place.base}/token`,
      now: Math.floor(Date.now() / 1000),
      kid: key.privateJwk.kid,
    },
  );
  if (mended === undefined) return next();
  const { alg, kid } = key.privateJwk;
  const signed = `${encode({ alg, kid, typ: "JWT" })}.${encode({ ...claims, ...mended })}`;
  const signature = sign(
    "sha384",
    Buffer.from(signed),
    alg === "ES384" ? { key: key.privateKey, dsaEncoding: "ieee-p1363" } : key.privateKey,
  );
  form.set("client_assertion", `${signed}.${signature.toString("base64url")}`);
  setForm(request, form);
  changed();
  return next();
}

const VERIFIER = "a-verifier-of-the-sandbox-that-is-long-enough";
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");

/** Takes any code verifier, wrong or missing, and any challenge, `plain` or missing. */
async function ignorePkce({ request, place, next, changed }: BehaviourCall): Promise<Reply> {
  const isPost = request.method === "POST";
  const form = formOf(request);
  if (place.path === "/authorize") {
    const parameters = isPost ? form : request.url.searchParams;
    parameters.set("code_challenge", CHALLENGE);
    parameters.set("code_challenge_method", "S256");
    if (isPost) setForm(request, form);
    changed();
  } else if (place.path === "/token" && form.get("grant_type") === "authorization_code") {
    form.set("code_verifier", VERIFIER);
    setForm(request, form);
    changed();
  }
  return next();
}

const answeredCodes = new WeakMap<SandboxState, Map<string, Reply>>();

/** Exchanges a code as often as it is sent, for what it gave the first time. */
async function acceptCodeAgain({ state, request, place, next, changed }: BehaviourCall): Promise<Reply> {
  const code = formOf(request).get("code");
  if (place.path !== "/token" || code === null) return next();
  const answered = answeredCodes.get(state) ?? new Map<string, Reply>();
  answeredCodes.set(state, answered);
  const before = answered.get(code);
  if (before !== undefined) {
    changed();
    return structuredClone(before);
  }
  const reply = await next();
  if (reply.status === 200) answered.set(code, structuredClone(reply));
  return reply;
}

const askedRedirects = new WeakMap<SandboxState, Map<string, string>>();

// What is registered: the redirect URI of the applications, on any port.
function isRegistered(uri: string): boolean {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url === undefined) return false;
  url.port = "";
  return url.href === REDIRECT_URI;
}

/** Sends the browser to whatever redirect URI was asked for, registered or not, and exchanges the code for it. */
async function redirectAnywhere({ state, request, place, next, changed }: BehaviourCall): Promise<Reply> {
  const asked = askedRedirects.get(state) ?? new Map<string, string>();
  askedRedirects.set(state, asked);
  const { searchParams } = request.url;
  const wanted = searchParams.get("redirect_uri");
  if (place.path === "/authorize" && wanted !== null && !isRegistered(wanted)) {
    asked.set(searchParams.get("state") ?? "", wanted);
    searchParams.set("redirect_uri", REDIRECT_URI);
  }
  const form = formOf(request);
  const named = form.get("redirect_uri");
  if (place.path === "/token" && named !== null && !isRegistered(named)) {
    form.set("redirect_uri", REDIRECT_URI);
    setForm(request, form);
    changed();
  }
  const reply = await next();
  const { location } = reply.headers;
  if (typeof location === "string" && location.startsWith(`${REDIRECT_URI}?`)) {
    const target = asked.get(new URL(location).searchParams.get("state") ?? "");
    if (target !== undefined) {
      reply.headers["location"] = `${target}${location.slice(REDIRECT_URI.length)}`;
      changed();
    }
  }
  return reply;
}

/** Answers as a sandbox with other settings (`with`) would: what is wrong is wrong with these requests alone. */
async function answerWith({ state, request, with: changes, changed }: BehaviourCall): Promise<Reply> {
  changed();
  // The request may have been sent elsewhere by the same fault.
  const place = locate(request.url.origin, request.listener, request.url.pathname);
  return answer({ ...state, settings: { ...state.settings, ...changes } }, request, place);
}

/** Tells other scopes than were granted: those that `drop` matches are left out, `add` is added, `from` is `to`. */
async function tellScopes({ with: options, next, changed }: BehaviourCall): Promise<Reply> {
  const reply = await next();
  if (reply.content.kind !== "json" || !isObject(reply.content.value)) return reply;
  const { scope } = reply.content.value;
  if (typeof scope !== "string") return reply;
  const text = (name: string) => (typeof options[name] === "string" ? options[name] : "");
  const told = [
    ...scope
      .split(" ")
      .filter((one) => one !== text("drop"))
      .map((one) => (text("from") === "" ? one : one.replace(text("from"), text("to")))),
    ...(text("add") === "" ? [] : [text("add")]),
  ].join(" ");
  if (told !== scope) changed();
  reply.content = { kind: "json", value: { ...reply.content.value, scope: told } };
  return reply;
}

/** Evaluates `patient.gender`, and `_has` by id, whatever the token's scopes are. */
async function evaluateChains({ state, request, place, next, changed }: BehaviourCall): Promise<Reply> {
  if (place.kind !== "api" || place.tenant === undefined) return next();
  const population = state.population(place.tenant.id);
  const { searchParams } = request.url;
  const gender = searchParams.get("patient.gender");
  const referring = [...searchParams].filter(([name]) => name.startsWith("_has:"));
  const found =
    (gender === null ||
      population.find("Patient", searchParams.get("patient") ?? "")?.["gender"] === gender) &&
    referring.every(([name, id]) => population.find(name.split(":")[1] ?? "", id) !== undefined);
  for (const name of ["patient.gender", ...referring.map(([one]) => one)]) searchParams.delete(name);
  const reply = await next();
  changed();
  if (!found && reply.content.kind === "resource") {
    const { resource } = reply.content;
    delete resource["entry"];
    resource["total"] = 0;
  }
  return reply;
}

/** Faults that data cannot say, by the name that a fault's `behaviour` gives. */
export const behaviours: Readonly<Record<string, Behaviour>> = {
  ...exportMisbehaviours,
  ...carelessness,
  ...leniencies,
  ...mixing,
  ...resourceFaults,
  ...searchFaults,
  acceptAssertion,
  acceptCodeAgain,
  answerWith,
  evaluateChains,
  ignorePkce,
  redirectAnywhere,
  tellScopes,
};
