import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { FormPage } from "../../lib/config/login.ts";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import type { HttpClient } from "../../lib/http/types.ts";
import { createAuthorizationRequest } from "../../lib/smart/authorization-request.ts";
import { createFormDriver } from "../../lib/smart/drivers/form.ts";

const CALLBACK = "http://127.0.0.1:9/callback";
let server: Server | undefined;
let http: HttpClient | undefined;
afterEach(async () => {
  await http?.close();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
});

interface Seen {
  readonly path: string;
  readonly form: URLSearchParams;
  readonly cookie: string;
}
type Page = {
  readonly html?: string;
  readonly location?: string;
  readonly cookies?: readonly string[];
  readonly status?: number;
};

/** A login of somebody else's making: pages by path. */
async function login(pages: Readonly<Record<string, Page>>, rules: readonly FormPage[]) {
  const seen: Seen[] = [];
  const read = async (request: IncomingMessage) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await read(request);
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    seen.push({ path, form: new URLSearchParams(body), cookie: request.headers.cookie ?? "" });
    const page = pages[path] ?? { status: 404, html: "<p>not here" };
    if (page.cookies !== undefined) response.setHeader("set-cookie", [...page.cookies]);
    if (page.location !== undefined) response.writeHead(302, { location: page.location }).end();
    else response.writeHead(page.status ?? 200, { "content-type": "text/html" }).end(page.html);
  };
  const started = createServer((request, response) => void answer(request, response));
  server = started;
  await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
  const client = createHttpClient({ vault: createSecretVault(), record: () => undefined });
  http = client;
  const { port } = started.address() as AddressInfo;
  const request = await createAuthorizationRequest(`http://127.0.0.1:${port}/authorize`, {
    clientId: "app",
    redirectUri: CALLBACK,
    scopes: ["openid"],
    audience: "https://fhir.example.org",
  });
  const driver = createFormDriver(rules, { user: "alice", password: "pass word&1", patient: "p1" });
  const outcome = driver.authorize(request, "allow", async (one) => {
    const came = await client.send(one);
    if (came.kind === "failure") throw new Error(came.failure.message);
    return came;
  });
  return { outcome, seen };
}

describe("the form driver", () => {
  test("goes through user name, password, choice of patient and a page that sends itself", async () => {
    const { outcome, seen } = await login(
      {
        "/authorize": { location: "/idp/start", cookies: ["session=s1; Path=/; HttpOnly"] },
        "/idp/start": {
          html: `<base href="/idp/"><form action="user" method="post"><input type="hidden" name="csrf" value="a&amp;b">
            <input name="login"><input type="checkbox" name="remember"><button name="go" value="1">Next</button></form>`,
          cookies: ["idp=x; Path=/idp"],
        },
        "/idp/user": {
          html: `<form action="/idp/password" method="POST"><input type=password name=secret></form>`,
        },
        "/idp/password": { location: "/choose", cookies: ["idp=; Path=/idp; Max-Age=0"] },
        "/choose": {
          html: `<form method="post" action="/chosen"><select name="patient"><option value="p0">A<option value="p1">B</select></form>`,
        },
        "/chosen": {
          html: `<form method="post" action="/back"><input type="hidden" name="ticket" value="t"></form><script>document.forms[0].submit()</script>`,
        },
        "/back": { location: `${CALLBACK}?code=c1&state=s` },
      },
      [
        { has: ["login"], fill: { login: "{user}" }, press: { go: "1" } },
        { has: ["secret"], fill: { secret: "{password}" } },
        { has: ["patient"], fill: { patient: "{patient}" } },
      ],
    );
    expect(await outcome).toMatchObject({ kind: "redirected", url: `${CALLBACK}?code=c1&state=s` });
    const at = (path: string) => seen.find((one) => one.path === path);
    expect(Object.fromEntries(at("/idp/user")?.form ?? [])).toEqual({ csrf: "a&b", login: "alice", go: "1" });
    expect(at("/idp/user")?.cookie).toBe("idp=x; session=s1");
    expect(at("/idp/password")?.form.get("secret")).toBe("pass word&1");
    expect(at("/chosen")?.form.get("patient")).toBe("p1");
    expect(at("/choose")?.cookie).toBe("session=s1");
    expect(at("/back")?.form.get("ticket")).toBe("t");
  });

  test("names the fields of a page that its data does not know", async () => {
    const { outcome } = await login(
      { "/authorize": { html: `<form><input name="otp"><input name="device"></form>` } },
      [{ has: ["username"] }],
    );
    await expect(outcome).rejects.toMatchObject({
      code: "unexpected-page",
      message: expect.stringContaining("otp, device"),
    });
  });

  test("sends a password once when its page comes back", async () => {
    const { outcome, seen } = await login(
      {
        "/authorize": {
          html: `<form method="post" action="/authorize"><input name="secret" type="password"></form>`,
        },
      },
      [{ has: ["secret"], fill: { secret: "{password}" } }],
    );
    await expect(outcome).rejects.toMatchObject({ code: "login-failed" });
    expect(seen.filter(({ form }) => form.has("secret"))).toHaveLength(1);
  });

  test("stays where the server refuses, and ends a loop", async () => {
    const refused = await login({ "/authorize": { status: 400, html: "<h1>invalid_client</h1>" } }, []);
    expect(await refused.outcome).toMatchObject({ kind: "page", status: 400 });
    await http?.close();
    await new Promise((resolve) => server?.close(resolve));
    const loop = await login({ "/authorize": { location: "/authorize" } }, []);
    await expect(loop.outcome).rejects.toMatchObject({ code: "login-failed" });
  });
});
