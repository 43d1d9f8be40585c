import { rounded, timed } from "./measure.mjs";
import { usCoreValidator } from "./validator.mjs";

const NAMES =
  "resourceType id meta profile extension url valueString valueQuantity value code coding system display text div status name _name given reference contained entry resource identifier type component".split(
    " ",
  );
const TYPES = ["Patient", "Observation", "Bundle", "Condition", "Questionnaire", "Nothing"];

/** The same numbers on every machine. */
function generator(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function randomJson(next, depth) {
  const kind = next(depth > 6 ? 5 : 8);
  if (kind === 0) return null;
  if (kind === 1) return next(2) === 0;
  if (kind === 2) return next(1000) / 7;
  if (kind === 3) return TYPES[next(TYPES.length)];
  if (kind === 4) return "x".repeat(next(50));
  if (kind === 5) return Array.from({ length: next(6) }, () => randomJson(next, depth + 1));
  return Object.fromEntries(
    Array.from({ length: next(8) }, () => [NAMES[next(NAMES.length)], randomJson(next, depth + 1)]),
  );
}

/** 10,000 structurally random documents: how long the slowest takes. */
export async function random(say) {
  const validator = await usCoreValidator();
  const next = generator(20261122);
  let slowest = 0;
  let exceptions = 0;
  const documents = 10_000;
  for (let i = 0; i < documents; i++) {
    const document = randomJson(next, 0);
    const whole = i % 2 === 0 || typeof document !== "object" || document === null || Array.isArray(document);
    const text = JSON.stringify(whole ? document : { ...document, resourceType: TYPES[next(TYPES.length)] });
    try {
      const judge = () => validator.validateText(text, { guideProfiles: true });
      let spent = timed(judge);
      // A pause of the machine is not the document's: what seems slow is looked at again.
      for (let again = 0; again < 3 && spent > 10; again++) spent = Math.min(spent, timed(judge));
      slowest = Math.max(slowest, spent);
    } catch {
      exceptions += 1;
    }
  }
  say({ bench: "random", documents, exceptions, slowestMs: rounded(slowest) });
}
