import { createHmac, randomBytes } from "node:crypto";

/** Gives each id another one, always the same within a run and never the same in two. */
export interface Pseudonyms {
  /** A valid FHIR id; a UUID for a UUID. */
  of(id: string): string;
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** A pseudonym stays as it is, so that masking what is masked changes nothing. */
const length = 16;

/** @param key by default a new random one, which nobody can guess ids with */
export function createPseudonyms(key: Uint8Array = randomBytes(32)): Pseudonyms {
  return {
    of(id) {
      const digest = createHmac("sha256", key).update(id).digest("hex");
      if (!uuid.test(id)) return `p${digest.slice(0, length)}`;
      const parts = [
        digest.slice(0, 8),
        digest.slice(8, 12),
        `4${digest.slice(12, 15)}`,
        `a${digest.slice(15, 18)}`,
        digest.slice(18, 30),
      ];
      return parts.join("-");
    },
  };
}
