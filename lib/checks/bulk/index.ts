/** Exports for checks: facts about them, and what is sent to learn more. Documented where they are. */
export { contentOf, mainContent, type ExportContent } from "./content.ts";
export {
  exportLevel,
  exportOf,
  followToEnd,
  mainExport,
  mainKickOff,
  type CompletedExport,
} from "./export.ts";
export {
  askStatus,
  bearerOf,
  bulkAccess,
  bulkSettings,
  deleteExport,
  inExportTurn,
  kickOffExport,
  ownBearer,
  tryKickOff,
  type Asker,
  type ExportLevel,
  type ExportParameters,
  type KickOff,
  type Started,
} from "./session.ts";
