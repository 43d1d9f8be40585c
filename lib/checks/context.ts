import type { Target } from "../config/targets.ts";
import type {
  HttpClient,
  HttpFailure,
  HttpRequest,
  HttpResponse,
  HttpStreamResponse,
} from "../http/types.ts";
import { NOTHING_KEPT, type KeptState } from "./kept.ts";
import type { ResultTable } from "./results.ts";
import type { Variables } from "./substitute.ts";
import type { Finding } from "./verdict.ts";

/** Ends a check with *not applicable*. */
export class NotApplicable extends Error {
  override readonly name = "NotApplicable";
}

/** Ends a check with *no data*: the tenant offers what is asked about, but holds nothing to ask it with. */
export class NoData extends Error {
  override readonly name = "NoData";
  /** The test data that would make the check possible, as one plain phrase for the shopping list. */
  readonly wanted: string;

  constructor(reason: string, wanted: string) {
    super(reason);
    this.wanted = wanted;
  }
}

/** Ends a check with *blocked*: something it needs could not be had. */
export class Blocked extends Error {
  override readonly name = "Blocked";
  /** The check that explains why. */
  readonly by: string | undefined;
  /** What that check would find, so that it can say so itself. */
  readonly findings: readonly Finding[];

  constructor(reason: string, by?: string, findings: readonly Finding[] = []) {
    super(reason);
    this.by = by;
    this.findings = findings;
  }
}

/** A request that got no usable response. Uncaught in a check it becomes the finding `http.<code>`. */
export class RequestFailed extends Error {
  override readonly name = "RequestFailed";
  readonly failure: HttpFailure;
  readonly exchange: string;

  constructor(failure: HttpFailure, exchange: string) {
    super(failure.message);
    this.failure = failure;
    this.exchange = exchange;
  }

  /** The finding that says so. */
  finding(expected = "a response"): Finding {
    return {
      code: `http.${this.failure.code}`,
      expected,
      actual: this.failure.message,
      exchange: this.exchange,
    };
  }
}

/** Something known about a target, obtained on first demand and remembered for the run. */
export interface Fact<T> {
  readonly name: string;
  /** The check that explains why the fact could not be had. */
  readonly explainedBy: string;
  provide(context: CheckContext): Promise<T>;
}

/** What surrounds a session: who is there, and what must never be written. */
export interface Surroundings {
  /** Whether a person is there who can log in. */
  readonly attended: boolean;
  /** Says something to that person. */
  announce(text: string): void;
  /** Folder for screenshots of logins that failed; none are made without it. */
  readonly screenshots?: string;
  /** Makes a secret known, so that no output can carry it. */
  keepSecret(secret: string, label: string): void;
  /** The text of a value of patients' data: masked unless the tenant's evidence may hold health data. */
  health(value: unknown): string;
  /** What outlives the process for an API, in the results folder. Absent: nothing does. */
  kept?(api: string): KeptState;
}

/** Nobody there, nothing kept. */
const ALONE: Surroundings = {
  attended: false,
  announce: () => undefined,
  keepSecret: () => undefined,
  health: () => "masked",
};

/** What a check, or a fact, has in hand while it works. Everything it sends becomes its evidence. */
export interface CheckContext {
  readonly target: Target;
  readonly surroundings: Surroundings;
  /** Placeholders for check data: `base`, `origin`, `uuid`, `unknownTenant` … */
  readonly variables: Variables;
  /** PEM of private certificate authorities to trust. */
  readonly certificateAuthority: string | undefined;
  /**
   * Sends a request and gives the response.
   *
   * @throws RequestFailed when there was none
   */
  send(request: HttpRequest): Promise<HttpResponse>;
  /**
   * Sends a request and gives the response's body in pieces; the exchange is recorded when the body has ended.
   *
   * @throws RequestFailed when there was no response; the body throws HttpBodyError when it breaks a bound
   */
  stream(request: HttpRequest): Promise<HttpStreamResponse>;
  /**
   * The text of a value of patients' data (name, id, date, code, reference), for a finding or a table: masked unless
   * the tenant's evidence may hold health data. The same value has the same text throughout a run.
   */
  health(value: unknown): string;
  /** Shows a table beside the verdict. Cells hold no secrets, and no health data but by `health`. */
  table(table: ResultTable): void;
  /** State of the target that outlives the process. No secrets. */
  readonly kept: KeptState;
  /**
   * A fact of the target.
   *
   * @throws Blocked when it cannot be had
   */
  fact<T>(fact: Fact<T>): Promise<T>;
  /**
   * The same check's context on another API of the tenant and environment, with that API's facts. What is sent
   * there is evidence of this check too.
   *
   * @throws NotApplicable when the tenant's configuration has no such API, or not all that it needs
   */
  elsewhere(api: string): CheckContext;
  /**
   * The same check's context on the same API of the second tenant, with that one's facts and registration.
   *
   * @throws NotApplicable when the configuration names no second tenant, or URLs do not tell tenants apart
   */
  atOtherTenant(): CheckContext;
  /** The tenant's other APIs that `elsewhere` gives, in the order of its configuration. */
  readonly otherApis: readonly string[];
  /**
   * A context whose exchanges are no evidence of the check, but for those that are cited and those that its findings
   * name: for work of so many requests that nobody would look through them, or that several checks look at in parts.
   *
   * @param exchanges gathers their ids
   */
  aside(exchanges?: string[]): CheckContext;
  /** Makes an exchange evidence of the check. */
  cite(exchange: string): void;
  /** Has something ended when the session ends. */
  onClose(end: () => Promise<void>): void;
}

/** A target under test with what is already known about it. */
export interface TargetSession {
  readonly target: Target;
  /** A context that gathers the exchanges of one check in `exchanges`, and its tables in `tables`. */
  context(exchanges: string[], tables?: ResultTable[]): CheckContext;
  /** Ends what facts have started, such as a browser. */
  close(): Promise<void>;
}

/** The sessions on the APIs of one tenant in one environment, for questions that need two of them. */
export interface Neighbours {
  readonly apis: readonly string[];
  session(api: string): TargetSession | undefined;
}

const NO_NEIGHBOURS: Neighbours = { apis: [], session: () => undefined };

/** A tenant id that nobody has: the version-4 form, made of nothing. */
const UNKNOWN_TENANT = "00000000-0000-4000-8000-000000000000";

/**
 * Opens a session: facts are pulled once, whoever asks first, and shared by all checks on the target.
 *
 * @param http the recording client; the session does not close it
 * @param neighbours sessions on the tenant's other APIs; the session closes none of them
 */
export function openSession(
  target: Target,
  http: HttpClient,
  certificateAuthority?: string,
  surroundings: Surroundings = ALONE,
  neighbours: Neighbours = NO_NEIGHBOURS,
): TargetSession {
  const known = new Map<
    string,
    Promise<{ readonly value: unknown; readonly exchanges: readonly string[] }>
  >();
  const variables = variablesOf(target);
  const ends: (() => Promise<void>)[] = [];
  const kept = surroundings.kept?.(target.api) ?? NOTHING_KEPT;
  let otherTenant: TargetSession | undefined;
  const openOtherTenant = (): TargetSession => {
    if (target.atOtherTenant === undefined) {
      throw new NotApplicable(
        target.baseOf === undefined
          ? "there is no tenant in the base URL"
          : "the configuration names no second tenant (otherTenant)",
      );
    }
    // State that is kept belongs to the tenant under test.
    const own: Surroundings = { ...surroundings, kept: () => NOTHING_KEPT };
    otherTenant ??= openSession(target.atOtherTenant, http, certificateAuthority, own);
    return otherTenant;
  };

  const pull = async <T>(fact: Fact<T>, exchanges: string[]): Promise<T> => {
    let pending = known.get(fact.name);
    if (pending === undefined) {
      const own: string[] = [];
      pending = fact.provide(context(own)).then(
        (value) => ({ value, exchanges: own }),
        (error: unknown) => {
          throw new Unavailable(error, own);
        },
      );
      // Whoever pulls it handles the rejection; the remembered promise itself must not count as unhandled.
      pending.catch(() => undefined);
      known.set(fact.name, pending);
    }
    try {
      const { value, exchanges: behind } = await pending;
      addAll(exchanges, behind);
      return value as T;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      addAll(exchanges, error.exchanges);
      throw unavailable(fact, error.reason);
    }
  };

  const context = (exchanges: string[], tables: ResultTable[] = []): CheckContext => ({
    target,
    kept,
    health: (value) => surroundings.health(value),
    table: (table) => void tables.push(table),
    variables,
    certificateAuthority,
    surroundings,
    otherApis: neighbours.apis.filter((api) => api !== target.api),
    elsewhere(api) {
      const session = neighbours.session(api);
      if (session === undefined)
        throw new NotApplicable(`the tenant's configuration gives no usable ${api} in ${target.environment}`);
      return session.context(exchanges, tables);
    },
    atOtherTenant: () => openOtherTenant().context(exchanges, tables),
    aside: (own = []) => context(own, []),
    cite: (exchange) => addAll(exchanges, [exchange]),
    onClose: (end) => void ends.push(end),
    fact: (fact) => pull(fact, exchanges),
    async send(request) {
      const outcome = await http.send(request);
      addAll(exchanges, outcome.exchanges);
      if (outcome.kind === "failure") throw new RequestFailed(outcome.failure, outcome.exchange);
      return outcome;
    },
    async stream(request) {
      const outcome = await http.stream(request);
      addAll(exchanges, outcome.exchanges);
      if (outcome.kind === "failure") throw new RequestFailed(outcome.failure, outcome.exchange);
      return outcome;
    },
  });
  return {
    target,
    context,
    async close() {
      await Promise.all(ends.splice(0).map((end) => end()));
      await otherTenant?.close();
    },
  };
}

/** Why a fact could not be had, with the exchanges that show it. */
class Unavailable extends Error {
  readonly reason: unknown;
  readonly exchanges: readonly string[];

  constructor(reason: unknown, exchanges: readonly string[]) {
    super("fact unavailable");
    this.reason = reason;
    this.exchanges = exchanges;
  }
}

function unavailable(fact: Fact<unknown>, reason: unknown): unknown {
  if (reason instanceof RequestFailed) {
    return new Blocked(`the ${fact.name} could not be had: ${reason.message}`, fact.explainedBy, [
      reason.finding(),
    ]);
  }
  return reason;
}

function addAll(to: string[], from: readonly string[]): void {
  for (const id of from) if (!to.includes(id)) to.push(id);
}

function variablesOf(target: Target): Variables {
  return {
    base: target.base,
    origin: new URL(target.base).origin,
    unknownTenant: UNKNOWN_TENANT,
    ...(target.uuid === undefined ? {} : { uuid: target.uuid }),
    ...(target.otherTenant === undefined ? {} : { otherTenant: target.otherTenant }),
    ...(target.authorizationBase === undefined ? {} : { authorizationBase: target.authorizationBase }),
    ...(target.baseOf === undefined ? {} : { unknownBase: target.baseOf(UNKNOWN_TENANT) }),
    ...(target.baseOf === undefined || target.otherTenant === undefined
      ? {}
      : { otherBase: target.baseOf(target.otherTenant) }),
  };
}
