import type { FileBody } from "./body.ts";

/** A file of an export (Bulk Data 2.0.0, "Response - Complete Status"). */
export interface ExportFile {
  /** Where the manifest lists it. */
  readonly list: "output" | "deleted" | "error";
  readonly type: string;
  /** Last segment of its URL. */
  readonly name: string;
  /** What the manifest says of its lines. */
  readonly count: number;
  readonly body: FileBody;
}

/** A bulk export that was started, and what it gives. */
export interface ExportJob {
  readonly id: string;
  /** Application that started it: nobody else may follow it. */
  readonly owner: string;
  readonly base: string;
  /** Edition of Bulk Data that the API follows. */
  readonly edition: "1.0.0" | "2.0.0";
  /** URL of the kick-off. */
  readonly kickOff: string;
  readonly level: "system" | "patient" | "group";
  /** Types of which it has, or may have, resources: whoever follows it needs scopes for all of them. */
  readonly types: readonly string[];
  readonly started: Date;
  /** Milliseconds since 1970 at which its files are ready. */
  readonly readyAt: number;
  /** Replaced by faults only. */
  files: readonly ExportFile[];
  /** When its status was lately asked for. */
  polls: readonly number[];
}
