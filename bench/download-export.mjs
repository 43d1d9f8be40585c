// The limits: an export downloaded, with nothing done to it, or JSON.parse of each line.
import { loadConfiguration } from "../dist/lib/config/load.js";
import { resolveTargets } from "../dist/lib/config/targets.js";
import { downloadFile } from "../dist/lib/bulk/index.js";
import { mainExport } from "../dist/lib/checks/bulk/export.js";
import { bulkAccess } from "../dist/lib/checks/bulk/session.js";
import { openSession } from "../dist/lib/checks/context.js";
import { openClient } from "../dist/lib/runner/client.js";
import { lineChunks } from "../dist/lib/validator/files/line-chunks.js";

const [, , config, mode] = process.argv;
const resolved = resolveTargets(
  loadConfiguration(config),
  { tenant: "bench", environment: "bench", apis: [] },
  process.env,
);
const { http } = openClient(resolved, () => undefined);
const session = openSession(resolved.targets[0], http);
const context = session.context([]);
const { manifest } = await context.fact(mainExport);
const access = bulkAccess(context);
const start = performance.now();
let bytes = 0;
let lines = 0;
const waiting = manifest.files.values();
const lane = async () => {
  for (const file of waiting) {
    const download = downloadFile(access, {
      url: file.url,
      allowedOrigins: [],
      withToken: true,
      deadline: Date.now() + 7_200_000,
      retryPauseMs: 500,
      compressed: true,
      purpose: "bench",
    });
    lines += file.count ?? 0;
    if (mode === "parse") {
      for await (const chunk of lineChunks(download.body, { maxLineBytes: 1 << 25, chunkBytes: 1 << 18 })) {
        bytes += chunk.bytes.length;
        for (const line of Buffer.from(chunk.bytes.buffer).toString("utf8").split("\n"))
          if (line !== "") JSON.parse(line);
      }
    } else for await (const piece of download.body) bytes += piece.length;
  }
};
await Promise.all([lane(), lane(), lane(), lane()]);
console.log(
  JSON.stringify({ bytes, lines, files: manifest.files.length, seconds: (performance.now() - start) / 1000 }),
);
await session.close();
await http.close();
