/** Bulk Data Access: exports from kick-off to deletion. Types and functions are documented where they are. */
export { bearerFor, reachOf, type BulkAccess, type Reach } from "./access.ts";
export { downloadFile, type Download, type DownloadFacts, type FileProblem } from "./download.ts";
export {
  describeKickOff,
  kickOffRequest,
  kickOffUrl,
  type ExportLevel,
  type ExportParameters,
  type KickOff,
} from "./kick-off.ts";
export { readManifest, type Manifest, type ManifestFile } from "./manifest.ts";
export { issueCodes, pauseAfter, pollExport, type Poll, type PollOutcome, type PollPace } from "./poll.ts";
