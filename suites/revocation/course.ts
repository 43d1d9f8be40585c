import type { CheckContext } from "../../lib/checks/context.ts";

interface Observed {
  readonly exchanges: readonly string[];
  readonly outcome: { readonly value: unknown } | { readonly error: unknown };
}

/** One thing that is observed, and what it is. */
export interface Piece<T> {
  readonly name: string;
  /** Only there for the type of what is observed. */
  readonly shape?: T;
}

/** What was seen in one course of events, piece by piece: each check looks at its piece. */
export interface Course {
  /** Observes something; what is thrown is kept for whoever looks. */
  observe<T>(piece: Piece<T>, work: (context: CheckContext) => Promise<T>): Promise<void>;
  /**
   * A piece, cited as evidence of the check that looks.
   *
   * @throws what was thrown when it was observed; Error for a piece that nobody observed
   */
  look<T>(context: CheckContext, piece: Piece<T>): T;
}

/** Begins a course of events. */
export function beginCourse(context: CheckContext): Course {
  const pieces = new Map<string, Observed>();
  return {
    async observe({ name }, work) {
      const exchanges: string[] = [];
      try {
        const value = await work(context.aside(exchanges));
        pieces.set(name, { exchanges, outcome: { value } });
      } catch (error) {
        pieces.set(name, { exchanges, outcome: { error } });
      }
    },
    look<T>(reader: CheckContext, { name }: Piece<T>): T {
      const observed = pieces.get(name);
      if (observed === undefined) throw new Error(`${name} was not observed`);
      for (const exchange of observed.exchanges) reader.cite(exchange);
      if ("error" in observed.outcome) throw observed.outcome.error;
      return observed.outcome.value as T;
    },
  };
}
