import type { LimitsEntry } from "../config/load.ts";
import type { Secret } from "../config/secret.ts";
import type { ResolvedTargets, Target } from "../config/targets.ts";
import { createHttpClient } from "../http/client.ts";
import { createSecretVault } from "../http/secret-vault.ts";
import type { Exchange, HttpClient, HttpLimits, SecretVault } from "../http/types.ts";

/**
 * The one client of a run, with every secret of the targets' registrations known to its vault, so that no output can
 * carry it.
 *
 * @param limits lie over those of the configuration
 * @param firstExchange number of the first exchange
 */
export function openClient(
  resolved: ResolvedTargets,
  record: (exchange: Exchange) => void,
  limits: Partial<HttpLimits> = {},
  firstExchange = 1,
): { readonly http: HttpClient; readonly vault: SecretVault } {
  const vault = createSecretVault();
  for (const secret of resolved.targets.flatMap(secretsOf)) vault.register(secret.reveal(), secret.label);
  const { connectionsPerOrigin } = resolved.limits;
  const http = createHttpClient({
    vault,
    record,
    firstExchange,
    limits: { ...limitsOf(resolved.limits), ...limits },
    ...(connectionsPerOrigin === undefined ? {} : { concurrencyPerOrigin: connectionsPerOrigin }),
    ...(resolved.certificateAuthority === undefined ? {} : { ca: resolved.certificateAuthority }),
  });
  return { http, vault };
}

function secretsOf(target: Target): readonly Secret[] {
  const { client, otherClients, login, tenantOwner, atOtherTenant } = target;
  const password = login !== undefined && "password" in login ? login.password : undefined;
  const owner = tenantOwner?.driver === "http" ? tenantOwner.secret : undefined;
  const clients = [client, ...Object.values(otherClients)];
  const known = [...clients.flatMap((one) => [one?.secret, one?.key]), password, owner];
  return [
    ...known.filter((one) => one !== undefined),
    ...(atOtherTenant === undefined ? [] : secretsOf(atOtherTenant)),
  ];
}

function limitsOf(entry: LimitsEntry): Partial<HttpLimits> {
  const { attempts } = entry;
  const times = {
    connectMs: entry.connectSeconds,
    headersMs: entry.headersSeconds,
    bodyIdleMs: entry.bodyIdleSeconds,
    exchangeMs: entry.exchangeSeconds,
    totalMs: entry.totalSeconds,
    retryWaitMs: entry.retryWaitSeconds,
  };
  const given = Object.entries(times).flatMap(([name, seconds]) =>
    seconds === undefined ? [] : [[name, Math.max(1, Math.round(seconds * 1000))] as const],
  );
  return { ...Object.fromEntries(given), ...(attempts === undefined ? {} : { attempts }) };
}
