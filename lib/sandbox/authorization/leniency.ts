import { createHash, createHmac, randomBytes, sign, verify } from "node:crypto";
import type { Behaviour } from "../behaviours.ts";
import { registrations, type Application } from "../data.ts";
import { jsonReply, type Reply, type SandboxRequest } from "../exchange.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { serverKey, type SigningKey } from "../keys.ts";
import type { SandboxState } from "../state.ts";

// How an authorization server can fail to look: what a request lacks is mended before the conformant server sees it.

const formOf = (request: SandboxRequest) => new URLSearchParams(request.body.toString("utf8"));

function setForm(request: SandboxRequest, form: URLSearchParams): void {
  request.headers["content-type"] = "application/x-www-form-urlencoded";
  request.body = Buffer.from(form.toString());
}

interface Jwt {
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly signed: string;
  readonly signature: Buffer;
}

function readJwt(token: string | null): Jwt | undefined {
  const [header = "", claims = "", signature = ""] = (token ?? "").split(".");
  try {
    const [first, second] = [decode(header), decode(claims)];
    if (!isObject(first) || !isObject(second)) return undefined;
    return {
      header: first,
      claims: second,
      signed: `${header}.${claims}`,
      signature: Buffer.from(signature, "base64url"),
    };
  } catch {
    return undefined;
  }
}

const decode = (part: string): Json => JSON.parse(Buffer.from(part, "base64url").toString("utf8")) as Json;
const encode = (value: Json) => Buffer.from(JSON.stringify(value)).toString("base64url");

function signJwt(header: JsonObject, claims: JsonObject, key: SigningKey): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  const hash = header["alg"] === "RS256" ? "sha256" : "sha384";
  const signature = sign(hash, Buffer.from(signed), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

/** Flaws of an assertion that can be overlooked, each with whether it is there and how it is mended. */
interface Overlooked {
  readonly has: (jwt: Jwt, good: Good) => boolean;
  readonly mended?: (good: Good) => JsonObject;
}

interface Good {
  readonly client: string;
  readonly kid: string;
  readonly audience: string;
  readonly now: number;
  readonly isSigned: boolean;
}

const textOf = (value: Json | undefined) => (typeof value === "string" ? value : "");
const number = (value: Json | undefined) => (typeof value === "number" ? value : Number.NaN);

const OVERLOOKED: Readonly<Record<string, Overlooked>> = {
  signature: { has: ({ header }, { isSigned }) => !isSigned && /^(RS|ES)384$/.test(textOf(header["alg"])) },
  "other-key": { has: ({ header }, { isSigned }) => !isSigned && /^(RS|ES)384$/.test(textOf(header["alg"])) },
  none: { has: ({ header }) => header["alg"] === "none" },
  hs256: { has: ({ header }) => header["alg"] === "HS256" },
  kid: { has: ({ header }, { kid }) => header["kid"] !== kid },
  aud: {
    has: ({ claims }, { audience }) => claims["aud"] !== undefined && claims["aud"] !== audience,
    mended: ({ audience }) => ({ aud: audience }),
  },
  "no-aud": {
    has: ({ claims }) => claims["aud"] === undefined,
    mended: ({ audience }) => ({ aud: audience }),
  },
  iss: {
    has: ({ claims }, { client }) => claims["iss"] !== undefined && claims["iss"] !== client,
    mended: ({ client }) => ({ iss: client }),
  },
  "no-iss": { has: ({ claims }) => claims["iss"] === undefined, mended: ({ client }) => ({ iss: client }) },
  sub: {
    has: ({ claims }, { client }) => claims["sub"] !== undefined && claims["sub"] !== client,
    mended: ({ client }) => ({ sub: client }),
  },
  "no-sub": { has: ({ claims }) => claims["sub"] === undefined, mended: ({ client }) => ({ sub: client }) },
  expired: {
    has: ({ claims }, { now }) => number(claims["exp"]) < now,
    mended: ({ now }) => ({ iat: now, exp: now + 200 }),
  },
  "far-ahead": {
    has: ({ claims }, { now }) => number(claims["exp"]) > now + 300,
    mended: ({ now }) => ({ exp: now + 200 }),
  },
  "not-yet": {
    has: ({ claims }, { now }) => number(claims["nbf"]) > now,
    mended: ({ now }) => ({ nbf: now - 1 }),
  },
  "no-exp": { has: ({ claims }) => claims["exp"] === undefined, mended: ({ now }) => ({ exp: now + 200 }) },
  "no-jti": {
    has: ({ claims }) => claims["jti"] === undefined,
    mended: () => ({ jti: randomBytes(12).toString("hex") }),
  },
};

function clientNamed(
  state: SandboxState,
  jwt: Jwt,
): { application: Application; key: SigningKey } | undefined {
  // Whichever of iss and sub names a client: one of them may be what is wrong.
  const names = new Set([jwt.claims["sub"], jwt.claims["iss"]]);
  const application = registrations().applications.find((each) => names.has(each.id));
  const key = application === undefined ? undefined : state.credentials.keys.get(application.id);
  return application === undefined || key === undefined ? undefined : { application, key };
}

/** Overlooks one flaw of client assertions. `with`: `flaw`. */
const overlookAssertion: Behaviour = async (call) => {
  const { state, request, place } = call;
  const form = formOf(request);
  const jwt = readJwt(form.get("client_assertion"));
  const found = jwt === undefined ? undefined : clientNamed(state, jwt);
  if (jwt === undefined || found === undefined) return call.next();
  const { application, key } = found;
  const name = textOf(call.with["flaw"]);
  const alg = application.algorithm ?? "ES384";
  const good: Good = {
    client: application.id,
    kid: key.privateJwk.kid,
    audience: `${place.base}/token`,
    now: Math.floor(Date.now() / 1000),
    isSigned: verify(
      "sha384",
      Buffer.from(jwt.signed),
      { key: key.privateKey, dsaEncoding: "ieee-p1363" },
      jwt.signature,
    ),
  };
  const flaw = OVERLOOKED[name];
  const isReplay = name === "replayed" && seenBefore(state, textOf(jwt.claims["jti"]));
  if (!isReplay && flaw?.has(jwt, good) !== true) return call.next();
  const mended = isReplay ? { jti: randomBytes(12).toString("hex") } : flaw?.mended?.(good);
  form.set(
    "client_assertion",
    signJwt({ alg, kid: good.kid, typ: "JWT" }, { ...jwt.claims, ...mended }, key),
  );
  setForm(request, form);
  call.changed();
  return call.next();
};

const memories = new WeakMap<SandboxState, Map<string, unknown>>();

/** What a behaviour remembers of one sandbox. */
function memoryOf(state: SandboxState): Map<string, unknown> {
  const memory = memories.get(state) ?? new Map<string, unknown>();
  memories.set(state, memory);
  return memory;
}

function seenBefore(state: SandboxState, name: string): boolean {
  const memory = memoryOf(state);
  const isSeen = memory.has(`seen:${name}`);
  memory.set(`seen:${name}`, true);
  return isSeen;
}

/** Refuses clients whose assertions are signed with one algorithm. `with`: `algorithm`. */
const refuseAlgorithm: Behaviour = async (call) => {
  const jwt = readJwt(formOf(call.request).get("client_assertion"));
  if (jwt?.header["alg"] !== call.with["algorithm"]) return call.next();
  call.changed();
  return jsonReply(401, { error: "invalid_client" });
};

/** Takes assertions of a client that belongs elsewhere. `with`: `client`. */
const acceptForeigner: Behaviour = async (call) => {
  const jwt = readJwt(formOf(call.request).get("client_assertion"));
  if (jwt === undefined || jwt.claims["sub"] !== call.with["client"]) return call.next();
  call.changed();
  return jsonReply(200, {
    access_token: randomBytes(24).toString("base64url"),
    token_type: "Bearer",
    expires_in: 300,
    scope: "system/*.rs",
  });
};

/** Takes whoever asks for a client of its own choosing, as if it had proved that. `with`: `client`. */
const authenticateAs: Behaviour = async (call) => {
  const { state, request } = call;
  const application = registrations().applications.find((each) => each.id === call.with["client"]);
  if (application === undefined) return call.next();
  const secret = state.credentials.secrets.get(application.id) ?? "";
  const form = formOf(request);
  for (const name of ["client_id", "client_secret", "client_assertion", "client_assertion_type"])
    form.delete(name);
  delete request.headers.authorization;
  if (application.authentication === "client_secret_basic") {
    request.headers.authorization = `Basic ${Buffer.from(`${application.id}:${secret}`).toString("base64")}`;
  } else {
    form.set("client_id", application.id);
    if (application.authentication === "client_secret_post") form.set("client_secret", secret);
  }
  setForm(request, form);
  call.changed();
  return call.next();
};

const KNOWN_VERIFIER = "the-sandbox-knows-this-verifier-and-nobody-else-does-0";
const challengeOf = (verifier: string) => createHash("sha256").update(verifier).digest("base64url");

/** Overlooks one flaw of code verifiers. `with`: `flaw` (`wrong`, `missing`, `blank`, `challenge`). */
const overlookVerifier: Behaviour = async (call) => {
  const { state, request } = call;
  const memory = memoryOf(state);
  const query = request.url.searchParams;
  const challenge = query.get("code_challenge");
  if (challenge !== null && request.method === "GET") {
    memory.set(`challenge:${challenge}`, true);
    query.set("code_challenge", challengeOf(KNOWN_VERIFIER));
    return call.next();
  }
  const form = formOf(request);
  if (form.get("grant_type") !== "authorization_code") return call.next();
  const verifier = form.get("code_verifier");
  const kind =
    verifier === null
      ? "missing"
      : verifier === ""
        ? "blank"
        : memory.has(`challenge:${verifier}`)
          ? "challenge"
          : memory.has(`challenge:${challengeOf(verifier)}`)
            ? "right"
            : "wrong";
  if (kind === call.with["flaw"]) call.changed();
  if (kind === "right" || kind === call.with["flaw"]) {
    form.set("code_verifier", KNOWN_VERIFIER);
    setForm(request, form);
  }
  return call.next();
};

/** What serves once is taken again: the first answer is given once more. `with`: `by` (name of the parameter). */
const answerAgain: Behaviour = async (call) => {
  const key = `answer:${formOf(call.request).get(textOf(call.with["by"])) ?? ""}`;
  const memory = memoryOf(call.state);
  const before = memory.get(key) as Reply | undefined;
  if (before !== undefined) {
    call.changed();
    return structuredClone(before);
  }
  const reply = await call.next();
  if (reply.status === 200) memory.set(key, structuredClone(reply));
  return reply;
};

/** The second use of a code is refused, and nothing is done about what the first gave. */
const forgetReplay: Behaviour = async (call) => {
  const code = formOf(call.request).get("code");
  if (code === null || !seenBefore(call.state, `code:${code}`)) return call.next();
  call.changed();
  return jsonReply(400, { error: "invalid_grant" });
};

/** Changes the parameters of a redirect to an application. `with`: `set`, `append`, `remove`. */
const changeRedirect: Behaviour = async (call) => {
  const reply = await call.next();
  const { location } = reply.headers;
  if (typeof location !== "string" || !URL.canParse(location)) return reply;
  const url = new URL(location);
  if (!url.searchParams.has("code")) return reply;
  for (const [name, value] of Object.entries(isObject(call.with["set"]) ? call.with["set"] : {})) {
    url.searchParams.set(name, textOf(value));
  }
  if (typeof call.with["remove"] === "string") url.searchParams.delete(call.with["remove"]);
  reply.headers["location"] = url.href;
  call.changed();
  return reply;
};

/** Changes id tokens and signs them anew. `with`: `claims` (null removes), `plus` (seconds added), `algorithm`, `kid`, `key: other`. */
const changeIdToken: Behaviour = async (call) => {
  const reply = await call.next();
  const { content } = reply;
  if (content.kind !== "json" || !isObject(content.value)) return reply;
  const token = content.value["id_token"];
  const jwt = typeof token === "string" ? readJwt(token) : undefined;
  if (jwt === undefined) return reply;
  const claims: Record<string, Json> = { ...jwt.claims };
  for (const [name, value] of Object.entries(isObject(call.with["claims"]) ? call.with["claims"] : {})) {
    if (value === null) delete claims[name];
    else claims[name] = value;
  }
  for (const [name, value] of Object.entries(isObject(call.with["plus"]) ? call.with["plus"] : {})) {
    claims[name] = number(claims[name]) + number(value);
  }
  const tenant = "tenant" in call.place ? (call.place.tenant?.id ?? "legacy") : "legacy";
  const header: Record<string, Json> = { ...jwt.header };
  if (typeof call.with["kid"] === "string") header["kid"] = call.with["kid"];
  const key = await serverKey(call.with["key"] === "other" ? "nobody" : tenant);
  if (call.with["algorithm"] === "HS256") {
    header["alg"] = "HS256";
    const signed = `${encode(header)}.${encode(claims)}`;
    const signature = createHmac("sha256", "sandbox").update(signed).digest("base64url");
    content.value["id_token"] = `${signed}.${signature}`;
  } else {
    content.value["id_token"] = signJwt(header, claims, key);
  }
  call.changed();
  return reply;
};

/** Takes bearer tokens that come in another way. `with`: `way` (`prefix`, `scheme`, `query`). */
const acceptBearer: Behaviour = async (call) => {
  const { request, state } = call;
  const memory = memoryOf(state);
  const sent = request.headers.authorization ?? "";
  const way = call.with["way"];
  const set = (token: string) => {
    request.headers.authorization = `Bearer ${token}`;
    call.changed();
  };
  if (way === "scheme" && call.place.kind === "api" && sent.startsWith("Basic ")) set(sent.slice(6));
  if (way === "query" && request.url.searchParams.has("access_token"))
    set(request.url.searchParams.get("access_token") ?? "");
  if (way === "prefix" && call.place.kind === "api") {
    const value = sent.replace(/^Bearer /, "");
    const whole = [...memory.keys()].find((key) => value.length > 20 && key.startsWith(`token:${value}`));
    if (whole !== undefined && whole !== `token:${value}`) set(whole.slice("token:".length));
  }
  const reply = await call.next();
  const token =
    reply.content.kind === "json" && isObject(reply.content.value)
      ? reply.content.value["access_token"]
      : undefined;
  if (typeof token === "string") memory.set(`token:${token}`, true);
  return reply;
};

/** The server's clock is wrong: dates, times in id tokens, and its idea of the times in assertions. `with`: `seconds`. */
const shiftClock: Behaviour = async (call) => {
  const { request, state } = call;
  const seconds = number(call.with["seconds"]);
  const form = formOf(request);
  const jwt = readJwt(form.get("client_assertion"));
  const found = jwt === undefined ? undefined : clientNamed(state, jwt);
  if (jwt !== undefined && found !== undefined) {
    const claims: Record<string, Json> = { ...jwt.claims };
    for (const name of ["iat", "nbf", "exp"])
      if (name in claims) claims[name] = number(claims[name]) - seconds;
    form.set("client_assertion", signJwt(jwt.header, claims, found.key));
    setForm(request, form);
  }
  const isToken = call.place.kind === "authorization" && call.place.path === "/token";
  const reply = isToken
    ? await changeIdToken({ ...call, with: { plus: { iat: seconds, exp: seconds } } })
    : await call.next();
  reply.headers["date"] = new Date(Date.now() + seconds * 1000).toUTCString();
  call.changed();
  return reply;
};

/** Behaviours of an authorization server that does not look where it should. */
export const leniencies: Readonly<Record<string, Behaviour>> = {
  acceptBearer,
  acceptForeigner,
  answerAgain,
  authenticateAs,
  changeIdToken,
  changeRedirect,
  forgetReplay,
  overlookAssertion,
  overlookVerifier,
  refuseAlgorithm,
  shiftClock,
};
