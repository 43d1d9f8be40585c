import type { Target } from "../config/targets.ts";
import type { SecretVault } from "../http/types.ts";

/** Makes every secret of the targets' registrations known to the vault, so that no output can carry it. */
export function registerSecrets(vault: SecretVault, targets: readonly Target[]): void {
  for (const { client } of targets) {
    if (client?.secret !== undefined) vault.register(client.secret.reveal(), client.secret.label);
    if (client?.key !== undefined) vault.register(client.key.reveal(), client.key.label);
  }
}
