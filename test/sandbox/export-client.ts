import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { bearer, json } from "./client.ts";

export interface FileItem {
  readonly type: string;
  readonly url: string;
  readonly count: number;
}

export interface Manifest extends Record<string, unknown> {
  readonly transactionTime: string;
  readonly request: string;
  readonly requiresAccessToken: boolean;
  readonly output: FileItem[];
  readonly deleted: FileItem[];
  readonly error: FileItem[];
}

export interface Line extends Record<string, unknown> {
  readonly resourceType: string;
  readonly id: string;
}

/** A client of one API's exports, for the tests of the sandbox: it knows nothing of the harness's own. */
export function exporter(api: string, token: string) {
  const kickOff = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
    fetch(`${api}/${path}`, {
      ...init,
      headers: { accept: "application/fhir+json", prefer: "respond-async", ...bearer(token), ...headers },
    });
  const post = (
    path: string,
    parameter: readonly Record<string, unknown>[],
    headers: Record<string, string> = {},
  ) =>
    kickOff(
      path,
      { "content-type": "application/fhir+json", ...headers },
      { method: "POST", body: JSON.stringify({ resourceType: "Parameters", parameter }) },
    );
  const finish = async (response: Response): Promise<Manifest> => {
    const status = response.headers.get("content-location") ?? "";
    expect(response.status).toBe(202);
    for (;;) {
      const answer = await fetch(status, { headers: { accept: "application/json", ...bearer(token) } });
      if (answer.status === 200) return json<Manifest>(answer);
      expect(answer.status).toBe(202);
      expect(answer.headers.get("retry-after")).toBe("1");
      await wait(150);
    }
  };
  const download = (url: string, headers: Record<string, string> = {}) =>
    fetch(url, { headers: { accept: "application/fhir+ndjson", ...bearer(token), ...headers } });
  const lines = async (items: readonly FileItem[]): Promise<Line[]> => {
    const found: Line[] = [];
    for (const { url } of items) {
      const text = await (await download(url)).text();
      expect(text.endsWith("\n")).toBe(true);
      for (const line of text.trimEnd().split("\n")) found.push(JSON.parse(line) as Line);
    }
    return found;
  };
  return { kickOff, post, finish, download, lines };
}
