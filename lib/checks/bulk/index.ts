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
  bulkSettings,
  deleteExport,
  inExportTurn,
  kickOffExport,
  ownBearer,
  type Asker,
  type ExportParameters,
  type KickOff,
  type Started,
} from "./session.ts";
