export type SmartErrorCode =
  /** The configuration or the discovery document lacks what is needed. */
  | "not-configured"
  /** A person would have to act, and there is none. */
  | "needs-person"
  /** A person was asked, and did not act in time. */
  | "timed-out"
  /** The login did not lead to the redirect URI. */
  | "login-failed"
  /** A page that the driver's data says nothing about. */
  | "unexpected-page"
  /** An optional package or program is not there. */
  | "not-installed"
  /** A key that cannot be read or does not fit its algorithm. */
  | "key"
  /** The server answered with an OAuth error, or with something that is none. */
  | "refused"
  /** The answer is not what the specification says. */
  | "invalid-response";

/** What goes wrong on the way to a token. `code` is for programs, the message for people; no secrets in either. */
export class SmartError extends Error {
  override readonly name = "SmartError";
  readonly code: SmartErrorCode;
  /** The exchange that shows it. */
  readonly exchange: string | undefined;

  constructor(code: SmartErrorCode, message: string, more: { cause?: unknown; exchange?: string } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.exchange = more.exchange;
  }
}
