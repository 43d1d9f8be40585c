import { ConfigurationError, suggest } from "../config/errors.ts";

export { wholeNumber } from "./whole-number.ts";

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

/** Options that may be given more than once, and positional arguments of which there may be several. */
const REPEATABLE = new Set(["_", "api", "check", "fault", "format", "paths", "profile", "results", "suite"]);

/**
 * What yargs lets pass: an option given twice that takes one value, and one whose value is empty, which would mean
 * something else than what was meant (`--check ""` all checks, `--out ""` the working directory).
 *
 * @throws ConfigurationError naming the option
 */
export function checkArguments(args: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(args)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (values.length > 1 && !REPEATABLE.has(name)) {
      throw new ConfigurationError(`--${name}: given ${values.length} times, but it takes one value`);
    }
    if (values.some((one) => typeof one === "string" && /^[\s,]*$/.test(one))) {
      throw new ConfigurationError(`--${name}: the value is empty`);
    }
  }
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
