import { createServer, get } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { startSandbox } from "../../lib/sandbox/index.ts";
import { serverCertificate } from "../../lib/sandbox/certificates.ts";
import { base, bearer, json, systemToken } from "./client.ts";

const servers = () => process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap").length;

describe("a sandbox", () => {
  it("leaves nothing open when it is closed, with requests under way", async () => {
    const before = servers();
    const sandboxes = await Promise.all(Array.from({ length: 100 }, () => startSandbox()));
    expect(new Set(sandboxes.map((sandbox) => sandbox.origin)).size).toBe(100);
    const answers = sandboxes.map((sandbox) =>
      fetch(`${base(sandbox)}/metadata`).then((answer) => answer.text()),
    );
    expect((await Promise.all(answers)).every((text) => text.includes("CapabilityStatement"))).toBe(true);
    await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
    await Promise.all(
      sandboxes.map((sandbox) => expect(fetch(`${base(sandbox)}/metadata`)).rejects.toThrow("fetch failed")),
    );
    expect(servers()).toBe(before);
  });

  it("keeps its tokens from another sandbox", async () => {
    const [one, other] = await Promise.all([startSandbox(), startSandbox()]);
    try {
      const token = await systemToken(one);
      const ask = (at: string) =>
        fetch(`${at}/Patient`, { headers: bearer(token) }).then((answer) => answer.status);
      expect(await ask(base(one, "provider/system-access"))).toBe(200);
      expect(await ask(base(other, "provider/system-access"))).toBe(401);
    } finally {
      await Promise.all([one.close(), other.close()]);
    }
  });

  it("answers many at once", async () => {
    const sandbox = await startSandbox({ patients: 5 });
    try {
      const tokens = await Promise.all(Array.from({ length: 50 }, () => systemToken(sandbox)));
      expect(new Set(tokens).size).toBe(50);
      const totals = await Promise.all(
        tokens.map(async (token) => {
          const url = `${base(sandbox, "provider/system-access")}/Patient`;
          return (await json<{ total: number }>(await fetch(url, { headers: bearer(token) }))).total;
        }),
      );
      expect(totals.every((total) => total === 5)).toBe(true);
    } finally {
      await sandbox.close();
    }
  });

  it("says so when its port is taken", async () => {
    const sandbox = await startSandbox();
    try {
      await expect(startSandbox({ port: Number(new URL(sandbox.origin).port) })).rejects.toThrow(
        "EADDRINUSE",
      );
    } finally {
      await sandbox.close();
    }
  });

  it("hands out secrets, keys and passwords, and nothing of another kind", async () => {
    const sandbox = await startSandbox();
    try {
      const names = Object.keys(sandbox.env);
      expect(names.every((name) => /^CARECONNECT_SANDBOX_[A-Z0-9_]+_(SECRET|KEY|PASSWORD)$/.test(name))).toBe(
        true,
      );
      expect(names).toContain("CARECONNECT_SANDBOX_RIVERBEND_SYSTEM_ES384_KEY");
    } finally {
      await sandbox.close();
    }
  });
});

const statusOver = (url: string, ca: string | undefined) =>
  new Promise<number | string>((resolve) => {
    get(url, { ...(ca === undefined ? {} : { ca }), agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });

describe("https", () => {
  it("is trusted by its authority only, and speaks TLS 1.2 and later", async () => {
    const sandbox = await startSandbox({ tls: true });
    try {
      expect(sandbox.origin).toMatch(/^https:\/\/127\.0\.0\.1:/);
      const url = `${base(sandbox)}/metadata`;
      expect(await statusOver(url, sandbox.ca)).toBe(200);
      expect(await statusOver(url, undefined)).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
      const { hostname, port } = new URL(sandbox.origin);
      const shake = (version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3") =>
        new Promise<string>((resolve) => {
          const socket: TLSSocket = connect(
            {
              host: hostname,
              port: Number(port),
              ca: sandbox.ca ?? "",
              minVersion: version,
              maxVersion: version,
              ciphers: "DEFAULT@SECLEVEL=0",
            },
            () => {
              resolve(socket.getProtocol() ?? "");
              socket.destroy();
            },
          );
          socket.once("error", () => resolve("refused"));
        });
      expect(await shake("TLSv1.3")).toBe("TLSv1.3");
      expect(await shake("TLSv1.2")).toBe("TLSv1.2");
      expect(await shake("TLSv1.1")).toBe("refused");
      const legacy = await statusOver(`${sandbox.legacyOrigin}/.well-known/openid-configuration`, sandbox.ca);
      expect(legacy).toBe(200);
    } finally {
      await sandbox.close();
    }
  });

  it("can show certificates that are wrong in one way", async () => {
    const codes: Record<string, number | string> = {};
    for (const kind of ["valid", "expired", "other-host", "self-signed"] as const) {
      const { key, certificate, authority } = serverCertificate(kind);
      const server = createServer({ key, cert: certificate }, (_request, response) => response.end());
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      codes[kind] = await statusOver(`https://127.0.0.1:${port}/`, authority);
      server.close();
      server.closeAllConnections();
    }
    expect(codes).toEqual({
      valid: 200,
      expired: "CERT_HAS_EXPIRED",
      "other-host": "ERR_TLS_CERT_ALTNAME_INVALID",
      "self-signed": "DEPTH_ZERO_SELF_SIGNED_CERT",
    });
  });
});
