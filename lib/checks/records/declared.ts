import { NotApplicable, type CheckContext, type Fact } from "../context.ts";
import { capabilityStatement } from "../facts.ts";
import { isObject, select } from "../select.ts";

/** What a tenant's CapabilityStatement declares for one resource type. */
export interface DeclaredType {
  readonly type: string;
  /** Codes such as `read`, `vread`, `search-type`. */
  readonly interactions: ReadonlySet<string>;
  readonly searchParameters: ReadonlySet<string>;
  readonly includes: ReadonlySet<string>;
  readonly revIncludes: ReadonlySet<string>;
  readonly profiles: readonly string[];
  /** `no-version`, `versioned` or `versioned-update`, where it says. */
  readonly versioning: string | undefined;
}

/** The declared resource types, by name. */
export const declaredTypes: Fact<ReadonlyMap<string, DeclaredType>> = {
  name: "declared resource types",
  explainedBy: "capability-statement.served",
  async provide(context) {
    const { json } = await context.fact(capabilityStatement);
    // Parameters of all types count for each; those of the system are declared once beside them.
    const everywhere = texts(json, "/rest/*/searchParam/*/name");
    const types = select(json, "/rest/*/resource/*").flatMap(({ value }) => {
      const type = isObject(value) ? value["type"] : undefined;
      return typeof type === "string" ? [[type, readType(type, value, everywhere)] as const] : [];
    });
    return new Map(types);
  },
};

function readType(type: string, value: unknown, everywhere: readonly string[]): DeclaredType {
  const versioning = isObject(value) ? value["versioning"] : undefined;
  return {
    type,
    interactions: new Set(texts(value, "/interaction/*/code")),
    searchParameters: new Set([...texts(value, "/searchParam/*/name"), ...everywhere]),
    includes: new Set(texts(value, "/searchInclude/*")),
    revIncludes: new Set(texts(value, "/searchRevInclude/*")),
    profiles: [...texts(value, "/profile"), ...texts(value, "/supportedProfile/*")],
    versioning: typeof versioning === "string" ? versioning : undefined,
  };
}

function texts(document: unknown, path: string): readonly string[] {
  return select(document, path).flatMap(({ value }) => (typeof value === "string" ? [value] : []));
}

/**
 * What is declared for a type.
 *
 * @throws NotApplicable where the statement does not declare the type
 */
export async function declaredType(context: CheckContext, type: string): Promise<DeclaredType> {
  const declared = (await context.fact(declaredTypes)).get(type);
  if (declared === undefined)
    throw new NotApplicable(`the CapabilityStatement does not declare the resource type ${type}`);
  return declared;
}

/**
 * As {@link declaredType}, where an interaction is declared too.
 *
 * @throws NotApplicable where the statement declares the type or the interaction not at all
 */
export async function declaredInteraction(
  context: CheckContext,
  type: string,
  interaction: string,
): Promise<DeclaredType> {
  const declared = await declaredType(context, type);
  if (!declared.interactions.has(interaction))
    throw new NotApplicable(
      `the CapabilityStatement does not declare the interaction ${interaction} of ${type}`,
    );
  return declared;
}
