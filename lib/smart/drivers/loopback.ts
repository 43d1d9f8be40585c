import { createServer, type Server } from "node:http";
import { SmartError } from "../errors.ts";

/** A listener on the loopback interface that waits for one user agent (RFC 8252 §7.3). */
export interface LoopbackListener {
  readonly url: string;
  /**
   * The URL by which a user agent came, once one comes to the awaited path and fits.
   *
   * @throws SmartError `timed-out`
   */
  arrival(timeoutMs: number, fits: (url: string) => boolean): Promise<string>;
  close(): Promise<void>;
}

const PAGE =
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>Back at the harness</title>' +
  "<p>The conformance harness has its answer. You can close this window.</p></html>";

/**
 * Listens where a redirect URI or a launch URL points to.
 *
 * @param address an http URL on 127.0.0.1 or localhost; its port 0 or none takes a free one
 * @throws SmartError `not-configured` when it is not on the loopback interface, or its port is taken
 */
export async function listenOnLoopback(address: string): Promise<LoopbackListener> {
  const wanted = new URL(address);
  if (wanted.protocol !== "http:" || !/^(127\.0\.0\.1|localhost)$/.test(wanted.hostname)) {
    throw new SmartError(
      "not-configured",
      `${wanted.origin} is not on the loopback interface: the harness can only listen at http://127.0.0.1:<port>`,
    );
  }
  const waiting = new Set<(url: string) => void>();
  const server = createServer((request, response) => {
    const came = new URL(request.url ?? "/", origin(server, wanted));
    const isAwaited = came.pathname === wanted.pathname && request.method === "GET";
    response.writeHead(isAwaited ? 200 : 404, {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": "default-src 'none'",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      connection: "close",
    });
    response.end(isAwaited ? PAGE : "");
    if (isAwaited) for (const offer of waiting) offer(came.href);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const message = `cannot listen at ${wanted.origin} (${cause.code ?? "error"})`;
      reject(new SmartError("not-configured", message, { cause }));
    });
    server.listen(Number(wanted.port || 0), "127.0.0.1", resolve);
  });
  const url = new URL(wanted.pathname, origin(server, wanted)).href;
  return {
    url,
    arrival: (timeoutMs, fits) =>
      new Promise((resolve, reject) => {
        const offer = (came: string) => {
          if (!fits(came)) return;
          clearTimeout(timer);
          waiting.delete(offer);
          resolve(came);
        };
        const timer = setTimeout(() => {
          waiting.delete(offer);
          const seconds = Math.round(timeoutMs / 1000);
          reject(new SmartError("timed-out", `nobody came back to ${url} within ${seconds} seconds`));
        }, timeoutMs);
        waiting.add(offer);
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function origin(server: Server, wanted: URL): string {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : wanted.port;
  return `http://${wanted.hostname}:${port}`;
}
