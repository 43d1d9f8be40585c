/**
 * What a run asks of a person who is not at its terminal, and how that person answers: kept state, so that another
 * process can tell, confirm and go on.
 */
import type { KeptState } from "./kept.ts";
import { isObject } from "./select.ts";

/** What the person is to do with an application's access. */
export type Act = "revoke" | "approve" | "withdraw";

/** What was asked last. */
export interface Asked {
  readonly act: Act;
  /** Client id of the application. */
  readonly application: string;
  /** What to do, in one sentence. */
  readonly words: string;
  /** ISO 8601 */
  readonly since: string;
  /** When the run that asked stops waiting; ISO 8601. */
  readonly until: string;
  readonly state: "waiting" | "given-up" | "done";
}

const ASKED = "asked";
const TOLD = "told";

/** What was asked of a person at an API; undefined when nothing was. */
export function readAsked(kept: KeptState): Asked | undefined {
  const value = kept.read(ASKED);
  if (!isObject(value)) return undefined;
  const { act, application, words, since, until, state } = value;
  const isAct = act === "revoke" || act === "approve" || act === "withdraw";
  const isState = state === "waiting" || state === "given-up" || state === "done";
  const texts = [application, words, since, until].every((one) => typeof one === "string");
  return isAct && isState && texts ? (value as unknown as Asked) : undefined;
}

/** Notes what is asked. */
export function writeAsked(kept: KeptState, asked: Asked): void {
  kept.write(ASKED, asked);
}

/** Notes that the person has done it. */
export function tell(kept: KeptState, { act, application, since }: Asked): void {
  kept.write(TOLD, { act, application, since });
}

/** Whether the person has said that it is done. */
export function isTold(kept: KeptState, { act, application, since }: Asked): boolean {
  const value = kept.read(TOLD);
  return (
    isObject(value) &&
    value["act"] === act &&
    value["application"] === application &&
    value["since"] === since
  );
}
