import { ConfigurationError, suggest } from "../config/errors.ts";

/** How a command tells what the process ends with. */
export type Done = (exitCode: number) => void;

/** The members of an option that may be repeated and may hold several, separated by commas. */
export function membersOf(values: readonly string[] | undefined): readonly string[] {
  return [
    ...new Set(
      (values ?? [])
        .flatMap((value) => value.split(","))
        .map((value) => value.trim())
        .filter(Boolean),
    ),
  ];
}

/**
 * The members of an option that must be among the valid ones.
 *
 * @throws ConfigurationError naming the option and the nearest valid member
 */
export function chosenOf<T extends string>(
  option: string,
  values: readonly string[] | undefined,
  valid: readonly T[],
): readonly T[] {
  return membersOf(values).map((value) => {
    const match = valid.find((one) => one === value);
    if (match === undefined)
      throw new ConfigurationError(
        `--${option} ${value}: not one of ${valid.join(", ")}.${suggest(value, valid)}`,
      );
    return match;
  });
}

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

/** Prints a table with aligned columns to standard output. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `${cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ")}\n`;
  process.stdout.write(line(header));
  process.stdout.write(line(widths.map((width) => "-".repeat(Math.min(width, 80)))));
  for (const row of rows) process.stdout.write(line(row));
}

/** Prints a value as JSON to standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
