/** The sign-off as one page: no script, nothing from elsewhere, readable on paper and on a phone. */
import { STATUSES } from "../../checks/verdict.ts";
import { findingTitle, headline, reproduceCommand, saysItAll, STATUS_WORDS } from "../explain.ts";
import { TABLES_STYLE, tableHtml } from "../tables.ts";
import { escapeXml, oneLine, shown, webAddress } from "../text.ts";
import type { Decision, Problem, Signoff } from "./model.ts";
import { STATEMENT_END, STATEMENT_START } from "./statement.ts";
import { PAGE_STYLE } from "./style.ts";
import {
  answerSentence,
  DECISION_WORDS,
  itemWords,
  openRules,
  outcome,
  UNTESTED_WORDS,
  verdictSentence,
  waivedSentence,
} from "./words.ts";

const FINDINGS_SHOWN = 5;
const CHECKS_SHOWN = 12;
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'";
const SIGNS: Readonly<Record<Decision, string>> = { go: "✓", conditional: "!", "no-go": "✗" };

/** The page, with an empty place for the signed statement. */
export function signoffPage(signoff: Signoff): string {
  const title = `Go-live sign-off: ${text(signoff.tenantName)} · ${text(signoff.environment)}`;
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8">`,
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">`,
    `<title>${title}</title><style>${TABLES_STYLE} ${PAGE_STYLE}</style></head><body>`,
    `<header><p class="kind">Go-live sign-off, v1 to v2</p><h1>${text(signoff.tenantName)} · ${text(signoff.environment)}</h1></header>`,
    "<main>",
    verdictSection(signoff),
    reasonsSection(signoff),
    checklistSection(signoff),
    countsSection(signoff),
    problemsSection("failures", "Failures", signoff.failures, "No check failed."),
    problemsSection("warnings", "Warnings", signoff.warnings, "No recommendation is unmet."),
    waiversSection(signoff),
    untestedSection(signoff),
    paritySection(signoff),
    stepsSection(signoff),
    rulesSection(signoff),
    provenanceSection(signoff),
    "</main>",
    `<footer><p>Made by ${text(signoff.run.harness.name)} ${text(signoff.run.harness.version)} from recorded results. ${signedWords(signoff)}</p></footer>`,
    `${STATEMENT_START}${STATEMENT_END}`,
    "</body></html>",
    "",
  ].join("\n");
}

function text(value: string, limit = 1_000): string {
  return escapeXml(shown(value, limit)).replaceAll("\n", " ");
}

/** Names without spaces may break where they have a dot or a slash. */
function name(value: string): string {
  return `<code>${text(value, 300).replaceAll(/[./:](?=\S)/g, "$&<wbr>")}</code>`;
}

function section(id: string, title: string, body: readonly string[]): string {
  return [`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>`, ...body, "</section>"].join("\n");
}

interface Column {
  readonly title: string;
  readonly number?: true;
}

/** A table whose first cells name their rows; cells are HTML. */
function table(caption: string, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const head = columns.map(
    ({ title, number }) => `<th scope="col"${number === true ? ' class="number"' : ""}>${title}</th>`,
  );
  const body = rows.map(
    (row) =>
      `<tr>${row
        .map((cell, index) => {
          const { title, number } = columns[index] ?? { title: "" };
          const kind = number === true ? ' class="number"' : "";
          return index === 0
            ? `<th scope="row">${cell}</th>`
            : `<td${kind} data-title="${title}">${cell}</td>`;
        })
        .join("")}</tr>`,
  );
  return `<table class="stacks"><caption>${caption}</caption><thead><tr>${head.join("")}</tr></thead><tbody>\n${body.join("\n")}\n</tbody></table>`;
}

function verdictSection(signoff: Signoff): string {
  const found = outcome(signoff);
  const { decided } = signoff;
  const who =
    decided === undefined
      ? ["<p><strong>Not decided.</strong> Nobody has put a name under this report yet.</p>"]
      : [
          `<dl class="who"><div><dt>Decided by</dt><dd>${text(decided.by)}</dd></div><div><dt>Role</dt><dd>${text(decided.role)}</dd></div><div><dt>When</dt><dd>${time(signoff.at)}</dd></div>${decided.note === undefined ? "" : `<div><dt>Note</dt><dd>${text(decided.note)}</dd></div>`}</dl>`,
        ];
  return [
    `<section class="verdict ${found}" aria-labelledby="verdict">`,
    `<h2 id="verdict"><span class="sign" aria-hidden="true">${SIGNS[found]}</span> ${DECISION_WORDS[found]}</h2>`,
    `<p class="sentence">${text(verdictSentence(signoff))}</p>`,
    ...who,
    `<p>${signedWords(signoff)}</p>`,
    "</section>",
  ].join("\n");
}

function signedWords({ key }: Signoff): string {
  return key === undefined
    ? "It is not signed: nobody can prove later that it was not changed."
    : `It is signed with the key ${name(key)}; <code>careconnect-conformance signoff verify</code> proves that nothing was changed since.`;
}

function time(iso: string): string {
  return `<time datetime="${text(iso)}">${text(iso.replace("T", " ").replace(/\.\d+Z$|Z$/, " UTC"))}</time>`;
}

function reasonsSection(signoff: Signoff): string {
  const open = openRules(signoff);
  if (open.length === 0) {
    return section("why", "Why", [`<p>All ${signoff.rules.length} rules hold.</p>`]);
  }
  const items = open.map(({ rule, because, count }) => {
    const more = count - because.length;
    return `<li class="${rule.then}"><p><strong>${DECISION_WORDS[rule.then]}.</strong> ${text(rule.otherwise)}${count === 1 ? "" : ` (${count}×)`}</p><ul>${because.map((line) => `<li>${breakable(line)}</li>`).join("")}${more > 0 ? `<li>and ${more} more</li>` : ""}</ul><p class="remedy">${text(rule.remedy)}</p></li>`;
  });
  const title = outcome(signoff) === "conditional" ? "Conditions" : "What stands in the way";
  return section("why", title, [`<ul class="reasons">${items.join("\n")}</ul>`]);
}

function breakable(value: string): string {
  return text(value, 500).replaceAll(/[./:](?=\S)/g, "$&<wbr>");
}

function checklistSection({ checklist }: Signoff): string {
  const rows = checklist.map((item, index) => [
    `${index + 1}. ${text(item.title)}`,
    `<span class="state ${item.state}">${itemWords(item)}</span>`,
    breakable(answerSentence(item)),
  ]);
  return section("checklist", "The migration checklist", [
    table(
      "The vendor's checklist for the migration from v1 to v2, item by item",
      [{ title: "Item" }, { title: "State" }, { title: "Answer" }],
      rows,
    ),
  ]);
}

function countsSection({ suites, counts, run }: Signoff): string {
  const shownStatuses = STATUSES.filter((status) => counts[status] > 0 || status === "fail");
  const rows = suites.map((one) => [
    text(one.suite),
    name(one.api),
    one.level,
    ...shownStatuses.map((status) => (one.counts[status] === 0 ? "" : String(one.counts[status]))),
  ]);
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return section("counts", "Results by suite and level", [
    `<p>${all} of ${run.planned} verdicts on ${run.targets.length} APIs. SHALL is required, SHOULD recommended, MAY optional.</p>`,
    table(
      "How many checks ended how",
      [
        { title: "Suite" },
        { title: "API" },
        { title: "Level" },
        ...shownStatuses.map((status) => ({ title: STATUS_WORDS[status], number: true as const })),
      ],
      rows,
    ),
  ]);
}

function problemsSection(id: string, title: string, problems: readonly Problem[], none: string): string {
  if (problems.length === 0) return section(id, title, [`<p>${none}</p>`]);
  const count = problems.reduce((sum, { apis }) => sum + apis.length, 0);
  return section(id, `${title} (${count})`, problems.map(problemHtml));
}

function problemHtml(problem: Problem): string {
  const { result, apis, means } = problem;
  const findings = result.findings.slice(0, FINDINGS_SHOWN).map((finding) => {
    const sentence = saysItAll(finding) ? "" : `${text(findingTitle(finding))}: `;
    const place = finding.location === undefined ? "" : ` at ${breakable(finding.location)}`;
    const exchange = finding.exchange === undefined ? "" : ` (evidence/${text(finding.exchange)}.json)`;
    return `<li>${sentence}expected ${breakable(finding.expected)}; seen ${breakable(finding.actual)}${place}${exchange}</li>`;
  });
  const more = result.findings.length - findings.length;
  const waived = waivedSentence(problem);
  return [
    `<article class="problem"><h3>${text(result.title, 300)}</h3>`,
    `<p class="where">${STATUS_WORDS[result.status]} · ${result.level} · ${name(result.check)} at ${apis.map(name).join(", ")}</p>`,
    ...(findings.length === 0
      ? [`<p>${text(headline(result))}</p>`]
      : [
          `<ul>${findings.join("")}${more > 0 ? `<li>and ${more} more findings in results.ndjson</li>` : ""}</ul>`,
        ]),
    `<p><strong>For the application:</strong> ${text(means)}</p>`,
    ...(result.remedy === undefined ? [] : [`<p><strong>What to do:</strong> ${text(result.remedy)}</p>`]),
    ...(waived === undefined ? [] : [`<p class="waived"><strong>${text(waived)}</strong></p>`]),
    ...(result.requirements.length === 0
      ? []
      : [
          `<p class="where">Requirements: ${result.requirements.map(({ id, url }) => link(id, url)).join(", ")}</p>`,
        ]),
    `<p class="where">Repeat: <code>${breakable(reproduceCommand(result))}</code></p></article>`,
  ].join("\n");
}

function link(words: string, url: string): string {
  const address = webAddress(url);
  const said = text(oneLine(words, 200));
  return address === undefined ? said : `<a href="${escapeXml(address)}" rel="noreferrer">${said}</a>`;
}

function waiversSection({ waivers }: Signoff): string {
  if (waivers.length === 0) return section("waivers", "Waivers", ["<p>Nothing is waived.</p>"]);
  const rows = waivers.map(({ id, check, reason, owner, expires, link: address, state, findings }) => [
    link(id, address ?? ""),
    name(check),
    text(reason),
    text(owner),
    text(expires),
    state === "applied" ? `${findings} findings` : state === "expired" ? "expired" : "nothing left to waive",
  ]);
  return section("waivers", "Waivers", [
    table(
      "Findings that are accepted until a date",
      ["Waiver", "Check", "Reason", "Owner", "Expires", "State"].map((title) => ({ title })),
      rows,
    ),
  ]);
}

function untestedSection({ untested }: Signoff): string {
  if (untested.length === 0) return section("untested", "What was not tested", ["<p>Everything was.</p>"]);
  const wanted = [...new Set(untested.flatMap((one) => one.wanted ?? []))];
  const rows = untested.map(({ kind, reason, checks, count }) => {
    const more = checks.length - CHECKS_SHOWN;
    return [
      UNTESTED_WORDS[kind],
      breakable(reason),
      String(count),
      `${checks.slice(0, CHECKS_SHOWN).map(name).join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
    ];
  });
  return section("untested", "What was not tested, and why", [
    table(
      "Questions without an answer: they say nothing for or against the tenant",
      [{ title: "Kind" }, { title: "Reason" }, { title: "Checks", number: true }, { title: "Which" }],
      rows,
    ),
    ...(wanted.length === 0
      ? []
      : [
          `<h3>Test data that would make it testable</h3><ul>${wanted.map((one) => `<li>${text(one)}</li>`).join("")}</ul>`,
        ]),
  ]);
}

function paritySection({ parity }: Signoff): string {
  const title = "How v1 and v2 compare";
  if (parity.length === 0)
    return section("parity", title, [
      "<p>v1 and v2 were not compared in this run: nothing is said here about what changes between them.</p>",
    ]);
  return section(
    "parity",
    title,
    parity.map((one, index) => tableHtml(one, `parity-${index + 1}`, "h3")),
  );
}

function stepsSection({ steps }: Signoff): string {
  if (steps.length === 0) return "";
  const rows = steps.map((step, index) => [
    `${index + 1}. ${text(step.title)}`,
    `<span class="state ${step.state}">${itemWords(step)}</span>`,
    breakable(answerSentence(step)),
  ]);
  return section("steps", "Readiness, step by step", [
    "<p>What has to be green before a step. When to take it is the application's plan; each can have a sign-off of its own.</p>",
    table(
      "Steps of the migration (config/signoff.yaml)",
      [{ title: "Step" }, { title: "Ready" }, { title: "What the checks say" }],
      rows,
    ),
  ]);
}

function rulesSection({ rules }: Signoff): string {
  const rows = rules.map(({ rule, count }) => [
    text(rule.title),
    count === 0
      ? `<span class="state met">Holds</span>`
      : `<span class="state ${rule.then === "no-go" ? "not-met" : "to-attest"}">Does not hold (${count})</span>`,
    DECISION_WORDS[rule.then],
  ]);
  return section("rules", "The rules", [
    "<p>The strictest rule that does not hold decides. A person may decide more strictly than the rules, never less.</p>",
    table(
      "Rules of this decision (config/signoff.yaml)",
      ["Rule", "State", "At best, while it does not hold"].map((title) => ({ title })),
      rows,
    ),
  ]);
}

function provenanceSection(signoff: Signoff): string {
  const { run } = signoff;
  const facts: readonly (readonly [string, string])[] = [
    ["Tenant", text(`${signoff.tenantName} (${signoff.tenant})`)],
    ["Environment", text(signoff.environment)],
    [
      "Run",
      `${name(run.run)}, ${time(run.startedAt)} to ${run.endedAt === undefined ? "no end" : time(run.endedAt)}`,
    ],
    ...(run.resumed ?? []).map(
      ({ at, kept }) => ["Resumed", `${time(at)}, with ${kept} verdicts from before`] as const,
    ),
    ["Made", time(signoff.at)],
    ["Harness", text(`${run.harness.name} ${run.harness.version}, Node.js ${run.harness.node}`)],
    ["Evidence", text(run.evidence)],
    ["Repeat", `<code>${breakable(run.reproduce)}</code>`],
  ];
  return section("provenance", "What it rests on, and how to repeat it", [
    `<dl class="facts">${facts.map(([term, value]) => `<div><dt>${term}</dt><dd>${value}</dd></div>`).join("")}</dl>`,
    table(
      "APIs tested",
      [{ title: "API" }, { title: "Base URL" }],
      run.targets.map(({ title, base }) => [text(title), name(base)]),
    ),
    table(
      "Checksums of configuration (secrets excluded), suites and packs",
      [{ title: "File" }, { title: "SHA-256" }],
      Object.entries(run.digests).map(([file, digest]) => [
        name(file),
        `<code class="digest">${text(digest.replace(/^sha256:/, ""))}</code>`,
      ]),
    ),
  ]);
}
