/** Downloaded files that are kept beside the results, when the configuration wants them (bulk.keepFiles). */
import { createCipheriv, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { ManifestFile } from "../../bulk/index.ts";
import type { BulkSettings } from "../../config/targets.ts";

/** Takes the decoded bytes of one file. */
export interface KeptFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Writes what is left; the file is complete. */
  end(): Promise<void>;
}

/** First bytes of an encrypted file; then 12 bytes of nonce, what is encrypted, and 16 bytes of tag (AES-256-GCM). */
const ENCRYPTED = Buffer.from("CCF1");

/**
 * Opens a file that only its owner can read; undefined where none are to be kept.
 *
 * @param folder of the target's state; files go to a folder `files` in it
 */
export async function keepFile(
  folder: string | undefined,
  { keepFiles, fileKey }: BulkSettings,
  { kind, index, type }: ManifestFile,
): Promise<KeptFile | undefined> {
  if (folder === undefined || keepFiles === undefined) return undefined;
  const place = join(folder, "files");
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const name = `${kind}-${index}-${/^[A-Za-z]{1,64}$/.test(type) ? type : "unknown"}.ndjson`;
  if (keepFiles === "plain") {
    const handle = await open(join(place, name), "w", 0o600);
    return {
      write: async (bytes) => {
        await handle.writeFile(bytes);
      },
      end: () => handle.close(),
    };
  }
  if (fileKey === undefined) throw new Error("bulk.keepFiles encrypted needs bulk.fileKey");
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", keyBytes(fileKey.reveal()), nonce);
  const handle = await open(join(place, `${name}.enc`), "w", 0o600);
  await handle.writeFile(Buffer.concat([ENCRYPTED, nonce]));
  return {
    write: async (bytes) => {
      await handle.writeFile(cipher.update(bytes));
    },
    async end() {
      await handle.writeFile(Buffer.concat([cipher.final(), cipher.getAuthTag()]));
      await handle.close();
    },
  };
}

function keyBytes(text: string): Buffer {
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
}
