import { ClientSecretBasic, ClientSecretPost, None, type ClientAuth } from "oauth4webapi";
import type { ClientRegistration } from "../config/targets.ts";
import { ASSERTION_TYPE, assertionContent, signAssertion } from "./client-assertion.ts";
import { SmartError } from "./errors.ts";
import { readSigningKey } from "./keys.ts";
import type { Parameters } from "./parameters.ts";

/** What proves the identity of a client to the token endpoint. */
export interface ClientProof {
  readonly parameters: Parameters;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The proof that a client is registered to give (RFC 6749 §2.3, RFC 7523 §2.2, SMART 2.0.0 client authentication).
 *
 * @param tokenEndpoint audience of an assertion
 * @param now seconds since 1970, by the server's clock as near as it is known
 * @throws SmartError `not-configured`, `key`
 */
export async function proveClient(
  client: ClientRegistration,
  tokenEndpoint: string,
  now?: number,
): Promise<ClientProof> {
  switch (client.authentication) {
    case "public":
      return await applied(None(), client.id);
    case "client_secret_basic":
      return await applied(ClientSecretBasic(secretOf(client)), client.id);
    case "client_secret_post":
      return await applied(ClientSecretPost(secretOf(client)), client.id);
    case "private_key_jwt": {
      const key = await readSigningKey(client);
      return assertionProof(await signAssertion(assertionContent(key, client.id, tokenEndpoint, now), key));
    }
  }
}

/** The parameters that carry a client assertion. */
export function assertionProof(assertion: string, type = ASSERTION_TYPE): ClientProof {
  return {
    parameters: [
      ["client_assertion_type", type],
      ["client_assertion", assertion],
    ],
    headers: {},
  };
}

async function applied(authentication: ClientAuth, clientId: string): Promise<ClientProof> {
  const body = new URLSearchParams();
  const headers = new Headers();
  await authentication({ issuer: "" }, { client_id: clientId }, body, headers);
  return { parameters: [...body], headers: Object.fromEntries(headers) };
}

function secretOf(client: ClientRegistration): string {
  if (client.secret === undefined) {
    throw new SmartError("not-configured", `the client ${client.id} has no secret`);
  }
  return client.secret.reveal();
}
