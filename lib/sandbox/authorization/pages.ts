import { textReply, type Reply } from "../exchange.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escape = (text: string) => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? character);

function page(status: number, title: string, body: string): Reply {
  const reply = textReply(
    status,
    "text/html; charset=utf-8",
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title>` +
      `<meta name="viewport" content="width=device-width"></head>` +
      `<body><main><h1>${escape(title)}</h1>${body}</main></body></html>`,
  );
  reply.headers["cache-control"] = "no-store";
  reply.headers["content-security-policy"] = "default-src 'none'; frame-ancestors 'none'";
  return reply;
}

/** Asks for `username` and `password`. */
export function loginPage(tenant: string, problem?: string): Reply {
  return page(
    problem === undefined ? 200 : 401,
    `Sign in: ${tenant}`,
    (problem === undefined ? "" : `<p role="alert">${escape(problem)}</p>`) +
      `<form method="post">` +
      `<label>User name <input name="username" autocomplete="username" required></label> ` +
      `<label>Password <input name="password" type="password" autocomplete="current-password" required></label> ` +
      `<button type="submit" name="action" value="login">Sign in</button> ` +
      `<button type="submit" name="action" value="cancel" formnovalidate>Cancel</button></form>`,
  );
}

/** Asks for `decision` (allow or deny), the `scope`s to grant, and `patient` where one has to be chosen. */
export function consentPage(request: {
  readonly application: string;
  readonly user: string;
  readonly scopes: readonly string[];
  readonly patients: readonly { readonly id: string; readonly name: string }[];
}): Reply {
  const scopes = request.scopes
    .map(
      (scope) =>
        `<li><label><input type="checkbox" name="scope" value="${escape(scope)}" checked> ${escape(scope)}</label></li>`,
    )
    .join("");
  const choices = request.patients
    .map(({ id, name }) => `<option value="${escape(id)}">${escape(name)}</option>`)
    .join("");
  const choice =
    request.patients.length === 0
      ? ""
      : `<label>Patient <select name="patient" required>${choices}</select></label>`;
  return page(
    200,
    "Allow access?",
    `<p>${escape(request.application)} asks for access, ${escape(request.user)}:</p>` +
      `<form method="post"><ul>${scopes}</ul>${choice} ` +
      `<button type="submit" name="decision" value="allow">Allow</button> ` +
      `<button type="submit" name="decision" value="deny">Deny</button></form>`,
  );
}

/** Says why an authorization request cannot be answered by a redirect. */
export function errorPage(status: number, error: string, description: string): Reply {
  return page(
    status,
    "This request cannot be answered",
    `<p><code>${escape(error)}</code>: ${escape(description)}</p>`,
  );
}

/** Lists the applications a user allowed, each to be withdrawn by `application`. */
export function managementPage(user: string, applications: readonly string[], note?: string): Reply {
  const rows = applications
    .map(
      (id) =>
        `<li>${escape(id)} <button type="submit" name="application" value="${escape(id)}">Withdraw</button></li>`,
    )
    .join("");
  return page(
    200,
    `Applications of ${user}`,
    (note === undefined ? "" : `<p role="status">${escape(note)}</p>`) +
      (rows === ""
        ? "<p>No application has access.</p>"
        : `<form method="post"><ul>${rows}</ul>` +
          `<label>User name <input name="username" required></label> ` +
          `<label>Password <input name="password" type="password" required></label></form>`),
  );
}
