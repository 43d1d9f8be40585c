/** Bulk Data Access: exports from kick-off to deletion. Types and functions are documented where they are. */
export { reachOf, type BulkAccess } from "./access.ts";
export { downloadFile, type DownloadFacts, type FileProblem } from "./download.ts";
export { describeKickOff, kickOffRequest, type ExportParameters, type KickOff } from "./kick-off.ts";
export { readManifest, type Manifest, type ManifestFile } from "./manifest.ts";
export { pauseAfter, pollExport, type Poll, type PollOutcome } from "./poll.ts";
