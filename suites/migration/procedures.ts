import type { Procedure } from "../../lib/checks/answer.ts";
import { behavesAsBefore, whatChanges, worksInParallel } from "./behaviour.ts";
import { sameExport } from "./exports.ts";
import { idMapping, nothingLost, samePatientChecked, sameSearch, totals, whatIsNew } from "./parity.ts";

export const procedures: Readonly<Record<string, Procedure>> = {
  behavesAsBefore,
  idMapping,
  nothingLost,
  samePatient: samePatientChecked,
  sameExport,
  sameSearch,
  totals,
  whatChanges,
  whatIsNew,
  worksInParallel,
};
