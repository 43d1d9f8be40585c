import type { Procedure } from "../../lib/checks/answer.ts";
import { behavesAsBefore, whatChanges, worksInParallel } from "./behaviour.ts";
import { idMapping, nothingLost, samePatientChecked, sameSearch, totals, whatIsNew } from "./parity.ts";

export const procedures: Readonly<Record<string, Procedure>> = {
  behavesAsBefore,
  idMapping,
  nothingLost,
  samePatient: samePatientChecked,
  sameSearch,
  totals,
  whatChanges,
  whatIsNew,
  worksInParallel,
};
