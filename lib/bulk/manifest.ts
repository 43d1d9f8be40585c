/** A file that a manifest lists. */
export interface ManifestFile {
  readonly kind: "output" | "error" | "deleted";
  /** Place in its list, from 0. */
  readonly index: number;
  readonly type: string;
  /** As the manifest has it; undefined where it is no string. */
  readonly url: string | undefined;
  /** The number of resources, where it says one. */
  readonly count?: number;
}

/** What can be read of a completion manifest, whatever else is wrong with it (Bulk Data 2.0.0 §response, complete). */
export interface Manifest {
  /** As it was received. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly transactionTime: string | undefined;
  readonly request: string | undefined;
  readonly requiresAccessToken: boolean | undefined;
  readonly files: readonly ManifestFile[];
}

const LISTS = ["output", "error", "deleted"] as const;

/** Reads a manifest; undefined where the document is no JSON object. */
export function readManifest(json: unknown): Manifest | undefined {
  if (!isObject(json)) return undefined;
  const { transactionTime, request, requiresAccessToken } = json;
  return {
    json,
    transactionTime: typeof transactionTime === "string" ? transactionTime : undefined,
    request: typeof request === "string" ? request : undefined,
    requiresAccessToken: typeof requiresAccessToken === "boolean" ? requiresAccessToken : undefined,
    files: LISTS.flatMap((kind) => filesOf(kind, json[kind])),
  };
}

function filesOf(kind: ManifestFile["kind"], list: unknown): readonly ManifestFile[] {
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown, index) => {
    const { type, url, count } = isObject(item) ? item : ({} as Record<string, unknown>);
    return {
      kind,
      index,
      type: typeof type === "string" ? type : "",
      url: typeof url === "string" ? url : undefined,
      ...(typeof count === "number" ? { count } : {}),
    };
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
