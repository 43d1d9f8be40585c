/**
 * Whether something matches. `maybe`: the specification leaves it to the server (a time without a zone, the case of a
 * code, an unclear edge), so that neither its presence nor its absence in a result is wrong.
 */
export type Match = "yes" | "maybe" | "no";

const RANK: Readonly<Record<Match, number>> = { no: 0, maybe: 1, yes: 2 };

/** True as soon as one is. */
export function anyOf(matches: Iterable<Match>): Match {
  let best: Match = "no";
  for (const one of matches) {
    if (one === "yes") return one;
    if (RANK[one] > RANK[best]) best = one;
  }
  return best;
}

/** True when all are; nothing at all is true. */
export function allOf(matches: Iterable<Match>): Match {
  let worst: Match = "yes";
  for (const one of matches) {
    if (one === "no") return one;
    if (RANK[one] < RANK[worst]) worst = one;
  }
  return worst;
}

/** `yes` or `no` where all ways of looking at it agree, else `maybe`. */
export function agreed(ways: Iterable<boolean>): Match {
  let seen: boolean | undefined;
  for (const one of ways) {
    if (seen !== undefined && seen !== one) return "maybe";
    seen = one;
  }
  return seen === true ? "yes" : "no";
}
