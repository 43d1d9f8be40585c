/** What the process ends with; part of the product's contract. */
export const EXIT = {
  /** Everything that counts passed. */
  passed: 0,
  /** A check failed, or with `--fail-on warn` warned. */
  failed: 1,
  /** Bad usage or configuration. */
  usage: 2,
  /** The run could not be completed. */
  incomplete: 3,
} as const;
