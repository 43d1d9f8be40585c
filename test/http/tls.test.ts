import { createServer, type Server } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import { probeTls } from "../../lib/http/tls-probe.ts";
import type { Exchange } from "../../lib/http/types.ts";
import { makeCertificate } from "../hostile/certificate.ts";
import { startHostileServer, type HostileServer } from "../hostile/server.ts";

const day = 24 * 60 * 60 * 1000;
const good = makeCertificate({ from: new Date(Date.now() - day), to: new Date(Date.now() + 30 * day) });
const expired = makeCertificate({ from: new Date(Date.now() - 30 * day), to: new Date(Date.now() - day) });

let server: HostileServer | undefined;
let silent: Server | undefined;
afterEach(async () => {
  await server?.close();
  silent?.close();
  server = undefined;
});

async function getOnce(
  origin: string,
  ca: string | undefined,
): Promise<{ code: string; exchange: Exchange | undefined }> {
  const exchanges: Exchange[] = [];
  const client = createHttpClient({
    vault: createSecretVault(),
    record: (exchange) => exchanges.push(exchange),
    limits: { connectMs: 2000 },
    ...(ca === undefined ? {} : { ca }),
  });
  const outcome = await client.send({ method: "GET", url: `${origin}/ok` });
  await client.close();
  return {
    code: outcome.kind === "failure" ? outcome.failure.code : String(outcome.status),
    exchange: exchanges[0],
  };
}

describe("TLS", () => {
  test("a trusted certificate gives an answer, with the facts of the handshake", async () => {
    server = await startHostileServer(good);
    const { code, exchange } = await getOnce(server.origin, good.cert);
    expect(code).toBe("200");
    expect(exchange?.tls).toMatchObject({
      protocol: "TLSv1.3",
      authorized: true,
      subject: "CN=Hostile Test",
    });
    expect(Date.parse(exchange?.tls?.validTo ?? "")).toBeGreaterThan(Date.now());
  });

  test.each([
    ["unknown authority", good, undefined, "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["expired", expired, expired.cert, "CERT_HAS_EXPIRED"],
  ])(
    "a certificate that is not to be trusted (%s) is shown, and sent nothing",
    async (_, certificate, ca, reason) => {
      server = await startHostileServer(certificate);
      const { code, exchange } = await getOnce(server.origin, ca);
      expect(code).toBe("tls");
      expect(exchange?.tls).toMatchObject({ authorized: false, authorizationError: reason });
      expect(server.requests).toHaveLength(0);
    },
  );

  test("a certificate for another host is refused", async () => {
    server = await startHostileServer(good);
    const other = server.origin.replace("127.0.0.1", "127.0.0.2");
    const { code } = await getOnce(other, good.cert);
    expect(["tls", "connection-refused"]).toContain(code);
    expect(server.requests).toHaveLength(0);
  });

  test("a server that only speaks TLS 1.1 is not spoken to", async () => {
    server = await startHostileServer({
      ...good,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "ALL:@SECLEVEL=0",
    });
    expect((await getOnce(server.origin, good.cert)).code).toBe("tls");
  });

  test("plain HTTP behind an https URL is a TLS failure, TLS behind http an HTTP one", async () => {
    server = await startHostileServer();
    expect((await getOnce(server.origin.replace("http:", "https:"), undefined)).code).toMatch(
      /^(?:tls|timeout-connect)$/,
    );
  });
});

describe("the probe", () => {
  test("finds what a modern server accepts and refuses", async () => {
    server = await startHostileServer({ ...good, minVersion: "TLSv1.2" });
    const { origin } = server;
    const results = await Promise.all(
      (["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const).map((version) => probeTls(origin, { version })),
    );
    expect(results.map(({ result }) => result)).toEqual(["refused", "refused", "accepted", "accepted"]);
  });

  test("finds a server that still accepts TLS 1.0 and 1.1", async () => {
    server = await startHostileServer({ ...good, minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" });
    for (const version of ["TLSv1", "TLSv1.1"] as const)
      expect(await probeTls(server.origin, { version })).toMatchObject({
        result: "accepted",
        tls: { protocol: version },
      });
  });

  test("finds a server that refuses TLS 1.3", async () => {
    server = await startHostileServer({ ...good, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" });
    expect(await probeTls(server.origin, { version: "TLSv1.3" })).toMatchObject({ result: "refused" });
  });

  test("says nothing about a server that is out of reach, hangs up or keeps silent", async () => {
    server = await startHostileServer();
    await server.close();
    expect(await probeTls(server.origin.replace("http:", "https:"), { version: "TLSv1" })).toMatchObject({
      result: "unknown",
    });
    server = undefined;
    let hangUp = true;
    silent = createServer((socket) => {
      socket.on("error", () => undefined);
      if (hangUp) socket.destroy();
    }).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const origin = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    expect(await probeTls(origin, { version: "TLSv1" })).toMatchObject({ result: "unknown" });
    hangUp = false;
    expect(await probeTls(origin, { version: "TLSv1", timeoutMs: 100 })).toMatchObject({
      result: "unknown",
      reason: "ETIMEDOUT",
    });
  });
});
