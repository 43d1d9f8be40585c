import { PackError } from "./errors.ts";

/** A JSON object from a package: its shape is unknown until read through the functions below. */
export type RawObject = Readonly<Record<string, unknown>>;

/** True for a JSON object (no array, no null). */
export function isRawObject(value: unknown): value is RawObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads JSON properties of one definition; a property of the wrong JSON type is a `bad-definition` error. */
export class RawReader {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  #wrong(key: string, expected: string): PackError {
    return new PackError("bad-definition", this.file, `"${key}" is not ${expected}`);
  }

  text(object: RawObject, key: string): string | undefined {
    const value = object[key];
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw this.#wrong(key, "a string");
    return value;
  }

  requiredText(object: RawObject, key: string): string {
    const value = this.text(object, key);
    if (value === undefined || value === "") {
      throw new PackError("bad-definition", this.file, `"${key}" is missing`);
    }
    return value;
  }

  truth(object: RawObject, key: string): boolean | undefined {
    const value = object[key];
    if (value === undefined) return undefined;
    if (typeof value !== "boolean") throw this.#wrong(key, "a boolean");
    return value;
  }

  integer(object: RawObject, key: string): number | undefined {
    const value = object[key];
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isInteger(value)) throw this.#wrong(key, "an integer");
    return value;
  }

  object(object: RawObject, key: string): RawObject | undefined {
    const value = object[key];
    if (value === undefined) return undefined;
    if (!isRawObject(value)) throw this.#wrong(key, "an object");
    return value;
  }

  objects(object: RawObject, key: string): readonly RawObject[] {
    const value = object[key];
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every(isRawObject)) throw this.#wrong(key, "an array of objects");
    return value;
  }

  /** A primitive array; null stands where an element has only extensions. */
  sparseTexts(object: RawObject, key: string): readonly (string | null)[] {
    const value = object[key];
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every((item) => item === null || typeof item === "string")) {
      throw this.#wrong(key, "an array of strings");
    }
    return value;
  }

  texts(object: RawObject, key: string): readonly string[] {
    return this.sparseTexts(object, key).filter((item) => item !== null);
  }

  /** Array of objects and nulls, as the `_name` companion of a primitive array is. */
  companions(object: RawObject, key: string): readonly (RawObject | null)[] {
    const value = object[key];
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every((item) => item === null || isRawObject(item))) {
      throw this.#wrong(key, "an array of objects");
    }
    return value;
  }

  /** The `x` of `prefix[x]`: type and value, such as `{ type: "Uri", value: "…" }` of `fixedUri`. */
  choice(object: RawObject, prefix: string): { type: string; value: unknown } | undefined {
    for (const key of Object.keys(object)) {
      if (!key.startsWith(prefix)) continue;
      const type = key.slice(prefix.length);
      if (/^[A-Z]/.test(type)) return { type, value: object[key] };
    }
    return undefined;
  }

  /** The extensions of `object` with that URL. */
  extensions(object: RawObject, url: string): readonly RawObject[] {
    return this.objects(object, "extension").filter((extension) => extension["url"] === url);
  }
}
