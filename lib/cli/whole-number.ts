import { ConfigurationError } from "../config/configuration-error.ts";

/**
 * A whole number within bounds.
 *
 * @throws ConfigurationError naming the option
 */
export function wholeNumber(option: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigurationError(`--${option}: give a whole number from ${least} to ${most}`);
  }
  return value;
}
