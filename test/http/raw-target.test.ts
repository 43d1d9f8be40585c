import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { createHttpClient } from "../../lib/http/client.ts";
import { createSecretVault } from "../../lib/http/secret-vault.ts";
import type { Exchange } from "../../lib/http/types.ts";

describe("a raw target", () => {
  test.each(["/a/../b", "/a/%2e%2e/b?c=d", "//b", "/a%00b", "/a;b=c/./d"])(
    "goes over the wire as it is written: %s",
    async (target) => {
      const seen: (string | undefined)[] = [];
      const server = createServer((request, response) => {
        seen.push(request.url);
        response.writeHead(302, { location: "/elsewhere" }).end();
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const exchanges: Exchange[] = [];
      const http = createHttpClient({
        vault: createSecretVault(),
        record: (one) => void exchanges.push(one),
      });
      try {
        const outcome = await http.send({ method: "GET", url: `${origin}/ignored`, rawTarget: target });
        // A redirect of such a request says nothing that is asked about.
        expect(outcome).toMatchObject({ kind: "response", status: 302 });
        expect(seen).toEqual([target]);
        expect(exchanges.map(({ request }) => request.url)).toEqual([`${origin}${target}`]);
      } finally {
        await http.close();
        server.close();
      }
    },
  );

  test("that no request line can carry is a mistake of the caller", async () => {
    const http = createHttpClient({ vault: createSecretVault(), record: () => undefined });
    for (const rawTarget of ["a", "/a b", "/a\r\nHost: b", "/ä"]) {
      await expect(http.send({ method: "GET", url: "http://127.0.0.1:9/", rawTarget })).rejects.toThrow(
        TypeError,
      );
    }
    await http.close();
  });
});
