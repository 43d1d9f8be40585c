/** Parameters of a request, in order; a name may stand several times. */
export type Parameters = readonly (readonly [string, string])[];

/** Sets, replaces (string) or leaves out (null) parameters. */
export function withParameters(
  parameters: Parameters,
  changes: Readonly<Record<string, string | null>>,
): Parameters {
  const kept = parameters.filter(([name]) => !(name in changes));
  const added = Object.entries(changes).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as const],
  );
  return [...kept, ...added];
}

/** The first value of a parameter. */
export function parameter(parameters: Parameters, name: string): string | undefined {
  return parameters.find(([key]) => key === name)?.[1];
}

/** Form or query encoding. */
export function encodeParameters(parameters: Parameters): URLSearchParams {
  const encoded = new URLSearchParams();
  for (const [name, value] of parameters) encoded.append(name, value);
  return encoded;
}
