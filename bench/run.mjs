// Speed and size of the validator, as JSON lines, with its peers in the same run:
//
//   npm run bench [-- --full] [--size <MB>] [--only resource,cold-start,ndjson,random,linear]
//
// The per-resource figures need the official US Core 6.1.0 package (FHIR_PACKAGES, or ~/.fhir/packages).
import { parseArgs } from "node:util";
import { arch, cpus, totalmem } from "node:os";
import { coldStart } from "./cold-start.mjs";
import { linear } from "./linear.mjs";
import { ndjson } from "./ndjson.mjs";
import { random } from "./random.mjs";
import { resource } from "./resource.mjs";

const { values } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    size: { type: "string" },
    only: { type: "string", default: "resource,cold-start,ndjson,random,linear" },
  },
});
const size = values.size === undefined ? (values.full ? 1024 : 200) : Number(values.size);
const wanted = values.only.split(",");
const say = (figures) => console.log(JSON.stringify(figures));

say({
  bench: "machine",
  node: process.version,
  cpu: cpus()[0]?.model ?? arch(),
  cores: cpus().length,
  memoryMb: Math.round(totalmem() / 2 ** 20),
});
if (wanted.includes("resource")) await resource(say);
if (wanted.includes("cold-start")) coldStart(say);
if (wanted.includes("random")) await random(say);
if (wanted.includes("linear")) await linear(say);
if (wanted.includes("ndjson")) await ndjson(say, size);
