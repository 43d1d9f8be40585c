import type { FormPage } from "../../config/login.ts";
import type { HttpRequest, HttpResponse } from "../../http/types.ts";
import { authorizationHttpRequest, isRedirectTo } from "../authorization-request.ts";
import { SmartError } from "../errors.ts";
import { encodeParameters, parameter } from "../parameters.ts";
import { createCookieJar } from "./cookies.ts";
import {
  fillIn,
  type AuthorizationOutcome,
  type Decision,
  type LoginDriver,
  type LoginValues,
} from "./driver.ts";
import { readPage, type HtmlForm, type HtmlPage } from "./html-forms.ts";

/** Pages and redirects between the authorization request and the redirect URI; more is a loop. */
const MOST_STEPS = 30;

/**
 * Works through server-rendered pages over HTTP, each time as a new user agent. What to fill in is data: the first
 * entry of `pages` whose fields all stand in a form of the page says how the form is sent.
 */
export function createFormDriver(pages: readonly FormPage[], values: LoginValues): LoginDriver {
  return {
    id: "form",
    unattended: true,
    async authorize(request, decision, send) {
      const jar = createCookieJar();
      const wanted = parameter(request.parameters, "redirect_uri") ?? request.redirectUri;
      const used = new Map<FormPage, number>();
      let next: HttpRequest = authorizationHttpRequest(request);
      for (let step = 0; step < MOST_STEPS; step++) {
        const response = await send(withCookies(next, jar.header(next.url)));
        jar.take(next.url, response.headers.getAll("set-cookie"));
        const location = redirection(response, next.url);
        if (location !== undefined) {
          if (isRedirectTo(location, wanted) || isRedirectTo(location, request.redirectUri)) {
            return { kind: "redirected", url: location, exchange: response.exchange };
          }
          if (!/^https?:$/.test(new URL(location).protocol)) {
            return { kind: "redirected", url: location, exchange: response.exchange };
          }
          next = followUp(location);
          continue;
        }
        const submitted = submission(response, next.url, pages, values, decision, used);
        if ("kind" in submitted) return submitted;
        next = submitted;
      }
      throw new SmartError("login-failed", `after ${MOST_STEPS} pages and redirects the login had not ended`);
    },
  };
}

function redirection(response: HttpResponse, from: string): string | undefined {
  const location = response.headers.get("location");
  if (response.status < 300 || response.status > 399 || location === undefined) return undefined;
  return URL.canParse(location, from) ? new URL(location, from).href : undefined;
}

function followUp(url: string): HttpRequest {
  return {
    method: "GET",
    url,
    redirect: "manual",
    headers: { accept: "text/html,application/xhtml+xml" },
    purpose: "login and consent",
  };
}

function withCookies(request: HttpRequest, cookie: string | undefined): HttpRequest {
  return cookie === undefined
    ? request
    : { ...request, headers: { ...(request.headers as Record<string, string>), cookie } };
}

function submission(
  response: HttpResponse,
  url: string,
  pages: readonly FormPage[],
  values: LoginValues,
  decision: Decision,
  used: Map<FormPage, number>,
): HttpRequest | AuthorizationOutcome {
  const html = new TextDecoder().decode(response.body);
  const isHtml =
    /html/i.test(response.headers.get("content-type") ?? "") || /^\s*<(!doctype|html)/i.test(html);
  const page: HtmlPage = isHtml ? readPage(html, url) : { title: "", forms: [] };
  const stay = (words: string): AuthorizationOutcome => ({
    kind: "page",
    status: response.status,
    words,
    exchange: response.exchange,
  });
  for (const rule of pages) {
    const form = page.forms.find((one) => rule.has.every((name) => isNamed(one, name)));
    if (form === undefined) continue;
    const times = (used.get(rule) ?? 0) + 1;
    used.set(rule, times);
    // A password that was refused once is not tried again: accounts get locked.
    if (times > (fills(rule, "{password}") ? 1 : 2)) {
      throw new SmartError(
        "login-failed",
        `the page with ${rule.has.join(", ")} came back: is what is filled in there right?`,
        { exchange: response.exchange },
      );
    }
    return submit(form, rule, values, decision);
  }
  const only = page.forms[0];
  if (page.forms.length === 1 && only !== undefined && only.fields.every(({ type }) => type === "hidden")) {
    // A page that sends itself by script, as identity providers use between one another.
    if (only.fields.length > 0 && only.buttons.length === 0) return encode(only, fieldsOf(only));
  }
  if (response.status >= 400 || page.forms.length === 0) {
    return stay(isHtml ? "a page without a form" : "an answer that is not a page");
  }
  const names = page.forms.flatMap((form) => [...form.fields, ...form.buttons].map(({ name }) => name));
  throw new SmartError(
    "unexpected-page",
    `the login's pages in the configuration say nothing about a page whose form has ${[...new Set(names)].join(", ")}`,
    { exchange: response.exchange },
  );
}

const fills = (rule: FormPage, value: string) => Object.values(rule.fill ?? {}).includes(value);

const isNamed = (form: HtmlForm, name: string) =>
  form.fields.some((field) => field.name === name) || form.buttons.some((button) => button.name === name);

const fieldsOf = (form: HtmlForm): (readonly [string, string])[] =>
  form.fields.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]));

function submit(form: HtmlForm, rule: FormPage, values: LoginValues, decision: Decision): HttpRequest {
  const own = decision === "deny" && rule.deny !== undefined ? rule.deny : rule;
  const filled: Record<string, string> = {};
  for (const [name, text] of Object.entries({ ...own.fill, ...own.press })) {
    const value = fillIn(text, values);
    // A field that this page does not have is not the page's question; one whose value is unknown keeps its own.
    if (isNamed(form, name) && !/^\{(user|password|patient)\}$/.test(value)) filled[name] = value;
  }
  const kept = fieldsOf(form).filter(([name]) => !(name in filled));
  return encode(form, [...kept, ...Object.entries(filled)]);
}

function encode(form: HtmlForm, fields: readonly (readonly [string, string])[]): HttpRequest {
  const parameters = encodeParameters(fields);
  const shared = {
    redirect: "manual",
    headers: { accept: "text/html,application/xhtml+xml" },
    purpose: "login and consent",
  } as const;
  if (form.method === "POST") return { method: "POST", url: form.action, body: parameters, ...shared };
  const url = new URL(form.action);
  url.search = parameters.toString();
  return { method: "GET", url: url.href, ...shared };
}
