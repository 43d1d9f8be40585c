/** Reports: what people read, built from results directories alone. */
export { buildReports } from "./build.ts";
export type { ReportFile, ReportFormat, ReportOptions } from "./build.ts";
