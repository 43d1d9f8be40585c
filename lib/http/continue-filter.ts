import type { Socket } from "node:net";

const start = "HTTP/1.1 100";
/** More of them than this are no courtesy any more; the parser is left to refuse them. */
const most = 20;
const longest = 8 * 1024;

/**
 * Takes `100 Continue` out of what a socket reads before the head of an answer. A client has to bear informational
 * answers that it did not ask for (RFC 9110 section 15.2); undici's parser bears all but this one.
 * @returns a function that says that the head of an answer is expected next
 */
export function filterContinue(socket: Socket): () => void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  let awaiting = false;
  let skipped = 0;
  let held = Buffer.alloc(0);

  /** What of the held bytes belongs to a final answer; undefined while that cannot be told. */
  const sift = (): Buffer | undefined => {
    for (;;) {
      const head = held.subarray(0, start.length).toString("latin1");
      if (!start.startsWith(head) || skipped >= most || held.length > longest) return held;
      const end = head.length < start.length ? -1 : held.indexOf("\r\n\r\n");
      if (end < 0) return undefined;
      held = held.subarray(end + 4);
      skipped += 1;
    }
  };
  socket.read = (size?: number): Buffer | null => {
    if (!awaiting) return read(size);
    for (let chunk = read(size); chunk !== null; chunk = read(size)) {
      held = Buffer.concat([held, chunk]);
      const rest = sift();
      if (rest === undefined || rest.length === 0) continue;
      awaiting = false;
      held = Buffer.alloc(0);
      return rest;
    }
    return null;
  };
  return () => {
    awaiting = true;
    skipped = 0;
    held = Buffer.alloc(0);
  };
}
