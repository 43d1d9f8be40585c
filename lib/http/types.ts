/** The number of one exchange within a run: `x0001`, `x0002`, … in the order in which requests were sent. */
export type ExchangeId = `x${string}`;

/** Bounds on what one request may cost. Times are in milliseconds, sizes in bytes. */
export interface HttpLimits {
  /** Name resolution, TCP connection and TLS handshake. */
  readonly connectMs: number;
  /** From the request being handed to a connection until the last header line has arrived. */
  readonly headersMs: number;
  /** Longest silence between two pieces of a body. */
  readonly bodyIdleMs: number;
  /** One physical exchange, from the start of the connection to the last byte of the body. */
  readonly exchangeMs: number;
  /** Everything one call of `send` does: waiting for a free connection, redirects, retries and their pauses. */
  readonly totalMs: number;
  /** All header lines of one response; a request may only lower what the client was created with. */
  readonly headerBytes: number;
  /** The body as it comes over the wire. */
  readonly bodyBytes: number;
  /** The body after content decoding. */
  readonly decodedBytes: number;
  /** Decoded size divided by wire size, looked at once one MiB has been decoded. */
  readonly decompressionRatio: number;
  /** Redirects that are followed. */
  readonly redirects: number;
  /** Physical attempts at one hop, the first included. */
  readonly attempts: number;
  /** First pause before a retry when the server does not name one; doubles with each attempt. */
  readonly retryDelayMs: number;
  /** Longest single pause before a retry, whatever the server asks for. */
  readonly retryWaitMs: number;
  /** All pauses of one call of `send` together. */
  readonly retryTotalWaitMs: number;
  /** How much of each body an exchange keeps. */
  readonly recordedBodyBytes: number;
}

/** A bearer token together with the only origin that may ever see it. */
export interface BearerToken {
  readonly value: string;
  /** For example `https://fhir.example.org`. */
  readonly origin: string;
}

export type HttpBody = string | Uint8Array | URLSearchParams;

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  /**
   * Path and query as they go over the wire, in place of those of `url`, which would be normalized: for requests that
   * try a server with `..`, `//` or bytes that a URL does not have. Starts with a slash; visible ASCII. No redirect is
   * followed.
   */
  readonly rawTarget?: string;
  /** A list of pairs sends a name several times. */
  readonly headers?: Readonly<Record<string, string>> | ReadonlyArray<readonly [string, string]>;
  /** URLSearchParams are sent as `application/x-www-form-urlencoded` unless a content type is given. */
  readonly body?: HttpBody;
  readonly bearer?: BearerToken;
  /** Default `follow`. With `manual` a 3xx answer is a response like any other. */
  readonly redirect?: "follow" | "manual";
  /**
   * `idempotent` states that the request may be repeated, `never` that it may not.
   * Default: by method (GET, HEAD, OPTIONS, PUT and DELETE may be repeated).
   */
  readonly retry?: "idempotent" | "never";
  readonly limits?: Partial<HttpLimits>;
  /** Why the request is sent, in a few words, for readers of the evidence. */
  readonly purpose?: string;
  readonly signal?: AbortSignal;
}

/** Everything that can go wrong with an exchange through the doing of a server or of the network. */
export type HttpFailureCode =
  | "invalid-url"
  | "dns"
  | "connection-refused"
  | "connection-failed"
  | "connection-reset"
  | "tls"
  | "timeout-connect"
  | "timeout-headers"
  | "timeout-body"
  | "timeout-total"
  | "headers-too-large"
  | "body-too-large"
  | "decompressed-too-large"
  | "body-incomplete"
  | "content-encoding"
  | "invalid-http"
  | "invalid-redirect"
  | "too-many-redirects"
  | "redirect-loop"
  | "redirect-downgrade"
  | "redirect-cross-origin-with-credentials"
  | "credentials-cross-origin"
  | "aborted";

export interface HttpFailure {
  readonly code: HttpFailureCode;
  /** One sentence, secrets removed. */
  readonly message: string;
  /** The bound that was met, in the unit of the limit. */
  readonly limit?: number;
  /** What was seen when the bound was met: bytes, milliseconds, a redirect target with secrets removed. */
  readonly seen?: number | string;
}

/** Header lines as received, found without regard to case. */
export interface HttpHeaders {
  /** All values of a name joined by ", ", or undefined where the header is absent. */
  get(name: string): string | undefined;
  getAll(name: string): readonly string[];
  has(name: string): boolean;
  /** In the order and spelling in which they came. */
  readonly lines: ReadonlyArray<readonly [string, string]>;
}

export interface HttpResponse {
  readonly kind: "response";
  readonly status: number;
  readonly headers: HttpHeaders;
  /** Where the answer came from, after redirects. Not redacted. */
  readonly url: string;
  /** Decoded body as received: NOT redacted, never to be written anywhere as it is. */
  readonly body: Uint8Array;
  readonly exchange: ExchangeId;
  /** All hops and retries, the last one included. */
  readonly exchanges: readonly ExchangeId[];
}

export interface HttpFailed {
  readonly kind: "failure";
  readonly failure: HttpFailure;
  readonly exchange: ExchangeId;
  readonly exchanges: readonly ExchangeId[];
}

export type HttpOutcome = HttpResponse | HttpFailed;

export interface HttpStreamResponse extends Omit<HttpResponse, "body"> {
  /**
   * The decoded body in pieces, within the same bounds. Throws `HttpBodyError` when the body breaks one;
   * the exchange is recorded when the iteration ends, in whichever way. It can be iterated once.
   */
  readonly body: AsyncIterable<Uint8Array>;
}

export type HttpStreamOutcome = HttpStreamResponse | HttpFailed;

export interface HttpClient {
  /** Sends a request and reads the whole answer. Throws only for mistakes of the caller. */
  send(request: HttpRequest): Promise<HttpOutcome>;
  /** As `send`, but hands the body over in pieces. Retries end where the body begins. */
  stream(request: HttpRequest): Promise<HttpStreamOutcome>;
  /** Ends all connections; requests under way end as `aborted`. */
  close(): Promise<void>;
}

/** A body as evidence: decoded, secrets removed, cut to a bound at a character's edge. */
export interface RecordedBody {
  readonly mediaType?: string;
  /** Size after content decoding, of all that was received. */
  readonly bytes: number;
  /** Size of `text` in UTF-8. */
  readonly storedBytes: number;
  /** Absent for an empty or a binary body. */
  readonly text?: string;
  readonly binary?: true;
  /** The text is not valid UTF-8; each offending sequence stands as U+FFFD. */
  readonly invalidUtf8?: true;
  readonly truncated: boolean;
}

export interface TlsFacts {
  readonly protocol: string;
  readonly cipher: string;
  /** Whether the certificate is trusted and names the host. */
  readonly authorized: boolean;
  readonly authorizationError?: string;
  readonly subject?: string;
  readonly issuer?: string;
  /** ISO 8601 */
  readonly validFrom?: string;
  /** ISO 8601 */
  readonly validTo?: string;
}

/** What a Retry-After header said and what was made of it (RFC 9110 section 10.2.3). */
export interface RetryAfter {
  readonly raw: string;
  /** The pause asked for; null where the value is neither seconds nor an HTTP date. */
  readonly seconds: number | null;
  /** The pause before the next attempt was at least what the server asked for. */
  readonly honoured: boolean;
  /** The value was nonsense or beyond the limit, and a bounded pause stood in for it. */
  readonly bounded: boolean;
}

/** One physical request and what came back; JSON-serializable, secrets removed. */
export interface Exchange {
  readonly id: ExchangeId;
  readonly purpose?: string;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly durationMs: number;
  /** 1 for the first attempt at a hop. */
  readonly attempt: number;
  /** The exchange that led to this one: the attempt before, or the redirect. */
  readonly previous?: ExchangeId;
  readonly request: RecordedRequest;
  readonly response?: RecordedResponse;
  readonly failure?: HttpFailure;
  readonly tls?: TlsFacts;
  readonly retryAfter?: RetryAfter;
}

export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body?: RecordedBody;
}

export interface RecordedResponse {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body?: RecordedBody;
}

/** Knows the secrets of a run and takes them out of whatever is handed on. */
export interface SecretVault {
  /**
   * Remembers a secret under a label such as `client_secret`. Values shorter than four characters are removed
   * only where their place says that they are secret.
   */
  register(secret: string, label: string): void;
  /** Free text: log lines, error messages, bodies, URLs. Idempotent. */
  redact(text: string): string;
  /** A URL, or the value of a Location-like header. `code` goes too, unless the path is a FHIR search. */
  redactUrl(url: string): string;
  /** Redacts every string within a JSON-like value, and members whose names say that they are secret. */
  redactValue<T>(value: T): T;
}

/** Thrown by the body of a stream. */
export class HttpBodyError extends Error {
  readonly failure: HttpFailure;
  constructor(failure: HttpFailure) {
    super(failure.message);
    this.name = "HttpBodyError";
    this.failure = failure;
  }
}
