/** Scopes as a set, independent of order and repetition. */
export function scopeSet(scopes: readonly string[]): readonly string[] {
  return [...new Set(scopes)].toSorted();
}

/** One name for a set of scopes: a key to keep tokens by. */
export function scopeKey(scopes: readonly string[]): string {
  return scopeSet(scopes).join(" ");
}

const FIRST_SYNTAX: Readonly<Record<string, string>> = { read: "rs", write: "cud", "*": "cruds" };
const CLINICAL = /^((?:patient|user|system)\/(?:\*|[A-Za-z]+))\.(read|write|\*|[cruds]+)(\?.+)?$/;

/**
 * Scopes that were granted though nothing that was asked for covers them. Either syntax may answer the other
 * (`.read` is `.rs`), and a part of what was asked for is no more than that.
 */
export function beyond(granted: readonly string[], asked: readonly string[]): readonly string[] {
  return granted.filter((scope) => !asked.some((one) => covers(one, scope)));
}

function covers(asked: string, granted: string): boolean {
  if (asked === granted) return true;
  const [wide, narrow] = [CLINICAL.exec(asked), CLINICAL.exec(granted)];
  if (wide === null || narrow === null) return false;
  const [, wideType = "", widePermissions = "", wideFilter] = wide;
  const [, narrowType = "", narrowPermissions = "", narrowFilter] = narrow;
  const sameType =
    wideType === narrowType || (wideType.endsWith("/*") && level(wideType) === level(narrowType));
  const fewer = letters(narrowPermissions)
    .split("")
    .every((letter) => letters(widePermissions).includes(letter));
  return sameType && fewer && (wideFilter === undefined || wideFilter === narrowFilter);
}

const level = (type: string) => type.split("/")[0];
const letters = (permissions: string) => FIRST_SYNTAX[permissions] ?? permissions;
