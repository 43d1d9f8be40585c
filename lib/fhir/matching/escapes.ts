/** Escapes in search values (FHIR R4, search.html#escaping). */

/** A text as a search value: what would part it is escaped. */
export function escaped(text: string): string {
  return text.replaceAll(/[\\,$|]/g, String.raw`\$&`);
}

/** A search value as the text that it stands for. */
export function unescaped(text: string): string {
  return text.replaceAll(/\\([\\,$|])/g, "$1");
}
