import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, rootCertificates } from "node:tls";
import { Client } from "undici";
import { filterContinue } from "./continue-filter.ts";
import { exchangeError } from "./failures.ts";
import { readTlsFacts } from "./tls-facts.ts";
import type { TlsFacts } from "./types.ts";

/** One connection to an origin. It carries one exchange at a time, so its TLS facts are those of the exchange. */
export interface Connection {
  readonly client: Client;
  /** Why the last attempt to connect failed, if it did. */
  readonly connectError: () => unknown;
  readonly connected: () => boolean;
  readonly tls: () => TlsFacts | undefined;
  /** Says that a request has gone out and the head of its answer comes next. */
  readonly expectHead: () => void;
  /** Bound on the next attempt to connect. */
  connectMs: number;
  idleSince: number;
  /** Ends the connection at once; never rejects. */
  destroy(): Promise<void>;
}

export interface ConnectionSettings {
  readonly perOrigin: number;
  readonly headerBytes: number;
  /** PEM of certificate authorities trusted besides those that come with Node. */
  readonly ca?: string;
}

/** Connections kept alive by origin, never more than a number of them at once. */
export interface Connections {
  /** Waits for a free connection. Rejects with the signal's reason. */
  acquire(origin: string, use: { readonly fresh: boolean }, signal: AbortSignal): Promise<Connection>;
  /** Gives a connection back; one that failed is ended. */
  release(origin: string, connection: Connection, state: "reusable" | "broken"): void;
  close(): Promise<void>;
}

interface Waiter {
  readonly take: (connection: Connection) => void;
  readonly fresh: boolean;
}

interface OriginState {
  readonly idle: Connection[];
  readonly waiting: Waiter[];
  inUse: number;
}

/** Longest idleness after which a request that must not be repeated still rides on an old connection. */
const freshEnoughMs = 500;

export function createConnections(settings: ConnectionSettings): Connections {
  const origins = new Map<string, OriginState>();
  const open = new Set<Connection>();

  const stateOf = (origin: string): OriginState => {
    const known = origins.get(origin);
    if (known !== undefined) return known;
    const state: OriginState = { idle: [], waiting: [], inUse: 0 };
    origins.set(origin, state);
    return state;
  };
  const end = (connection: Connection): Promise<void> => {
    open.delete(connection);
    return connection.destroy();
  };
  const take = (origin: string, state: OriginState, fresh: boolean): Connection => {
    state.inUse += 1;
    const idle = state.idle.pop();
    if (idle !== undefined && (!fresh || Date.now() - idle.idleSince <= freshEnoughMs)) return idle;
    if (idle !== undefined) void end(idle);
    const connection = openConnection(origin, settings);
    open.add(connection);
    return connection;
  };

  return {
    async acquire(origin, { fresh }, signal) {
      signal.throwIfAborted();
      const state = stateOf(origin);
      if (state.inUse < settings.perOrigin) return take(origin, state, fresh);
      return new Promise<Connection>((resolve, reject) => {
        const leave = (): void => {
          const index = state.waiting.indexOf(waiter);
          if (index >= 0) state.waiting.splice(index, 1);
          reject(signal.reason as Error);
        };
        const waiter: Waiter = {
          fresh,
          take: (connection) => {
            signal.removeEventListener("abort", leave);
            resolve(connection);
          },
        };
        state.waiting.push(waiter);
        signal.addEventListener("abort", leave, { once: true });
      });
    },
    release(origin, connection, use) {
      const state = stateOf(origin);
      state.inUse -= 1;
      if (use === "broken" || !open.has(connection)) void end(connection);
      else {
        connection.idleSince = Date.now();
        state.idle.push(connection);
      }
      const next = state.waiting.shift();
      if (next !== undefined) next.take(take(origin, state, next.fresh));
    },
    async close() {
      await Promise.all([...open].map(end));
      for (const state of origins.values()) state.idle.length = 0;
    },
  };
}

function openConnection(origin: string, settings: ConnectionSettings): Connection {
  let tls: TlsFacts | undefined;
  let connectError: unknown;
  let connected = false;
  let expectHead: (() => void) | undefined;
  let connecting: Socket | undefined;
  const secure = origin.startsWith("https:");
  const trusted = settings.ca === undefined ? undefined : [...rootCertificates, settings.ca];

  const client = new Client(origin, {
    // Time-outs are the transport's own: undici's tick once a second and start anew with each byte.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: Math.max(1, settings.headerBytes),
    pipelining: 1,
    allowH2: false,
    connect: ({ hostname, port, servername }, callback) => {
      connectError = undefined;
      connected = false;
      const address = { host: hostname, port: Number(port) || (secure ? 443 : 80) };
      const name = servername || hostname;
      const socket: Socket = secure
        ? connectTls({
            ...address,
            ...(isIP(name) === 0 ? { servername: name } : {}),
            ...(trusted === undefined ? {} : { ca: trusted }),
            minVersion: "TLSv1.2",
            ALPNProtocols: ["http/1.1"],
            // Looked at below instead, so that a certificate that fails can be shown as evidence.
            rejectUnauthorized: false,
          })
        : connectTcp(address);
      socket.setNoDelay(true);
      connecting = socket;
      let done = false;
      const finish = (error: Error | undefined): void => {
        if (done) return;
        done = true;
        clearTimeout(timer);
        connecting = undefined;
        if (error === undefined) {
          expectHead = filterContinue(socket);
          connected = true;
          socket.off("error", finish);
          callback(null, socket);
          return;
        }
        connectError = error;
        socket.on("error", () => undefined);
        socket.destroy();
        callback(error, null);
      };
      const limit = connection.connectMs;
      const timer = setTimeout(() => {
        finish(exchangeError("timeout-connect", `No connection within ${limit} ms.`, { limit }));
      }, limit);
      socket.once("error", finish);
      socket.once("close", () => finish(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
      if (!("getProtocol" in socket)) {
        socket.once("connect", () => finish(undefined));
        return;
      }
      const tlsSocket = socket as ReturnType<typeof connectTls>;
      tlsSocket.once("secureConnect", () => {
        tls = readTlsFacts(tlsSocket);
        if (tls.authorized) return finish(undefined);
        const reason = tls.authorizationError ?? "unknown";
        return finish(
          exchangeError("tls", `The server's certificate is not trusted (${reason}).`, { seen: reason }),
        );
      });
    },
  });
  const connection: Connection = {
    client,
    connectError: () => connectError,
    connected: () => connected,
    tls: () => tls,
    connectMs: 10_000,
    idleSince: Date.now(),
    expectHead: () => expectHead?.(),
    async destroy() {
      connecting?.destroy();
      await client.destroy().catch(() => undefined);
    },
  };
  return connection;
}
