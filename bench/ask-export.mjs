// The checks of a suite that look at the files of one export, asked of it; without the runner and its reports.
import { answerCheck } from "../dist/lib/checks/answer.js";
import { openSession } from "../dist/lib/checks/context.js";
import { loadSuites } from "../dist/lib/checks/load.js";
import { loadConfiguration } from "../dist/lib/config/load.js";
import { resolveTargets } from "../dist/lib/config/targets.js";
import { openClient } from "../dist/lib/runner/client.js";
import { selectChecks } from "../dist/lib/runner/plan.js";
import { procedures } from "../dist/suites/index.js";

const [, , config, checks] = process.argv;
const selection = { tenant: "bench", environment: "bench", apis: [] };
const resolved = resolveTargets(loadConfiguration(config), selection, process.env);
const { http } = openClient(resolved, () => undefined);
const session = openSession(resolved.targets[0], http, undefined, {
  attended: false,
  announce: (text) => void process.stderr.write(text),
  keepSecret: () => undefined,
  health: () => "masked",
});
const start = performance.now();
const verdicts = {};
const selected = selectChecks(loadSuites(), { suites: [], checks: checks.split(",") });
await Promise.all(
  selected.flatMap((suite) =>
    suite.checks.map(async (check) => {
      const { verdict } = await answerCheck(check, session, procedures);
      verdicts[check.id.replace("bulk-export.", "")] = verdict.status;
    }),
  ),
);
console.log(JSON.stringify({ verdicts, seconds: (performance.now() - start) / 1000 }));
await session.close();
await http.close();
