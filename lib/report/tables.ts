/**
 * Tables of a verdict: as a page of its own (for Allure) and as Markdown. A state is told by a sign and a word, not by
 * colour alone.
 */
import type { ResultCell, ResultTable } from "../checks/results.ts";
import { bounded, escapeMarkdown, escapeXml, oneLine, shown } from "./text.ts";

type State = Exclude<ResultCell, string>["state"];

/** Sign and word of a state: the sign is seen, the word is heard. */
const STATES: Readonly<Record<State, { readonly sign: string; readonly word: string }>> = {
  good: { sign: "✓", word: "as expected" },
  bad: { sign: "✗", word: "not as expected" },
  warning: { sign: "!", word: "warning" },
  muted: { sign: "", word: "" },
};

const CELL_SHOWN = 500;
/** Rows of a table in the page, and in Markdown. */
const ROWS_IN_PAGE = 2_000;
const ROWS_IN_MARKDOWN = 60;

const LIGHT =
  "--paper: #fff; --ink: #1b1f24; --line: #c9d1d9; --head: #eef1f4; --good: #0a6b2d; --good-paper: #e6f6ea; --bad: #8f0012; --bad-paper: #ffe0e0; --warning: #6b4300; --warning-paper: #fff1cc; --muted: #57606a;";
const DARK =
  "--paper: #16191d; --ink: #e6edf3; --line: #3d444d; --head: #22272e; --good: #7ee2a0; --good-paper: #12331f; --bad: #ffb3b3; --bad-paper: #5c0f17; --warning: #f5d487; --warning-paper: #42310a; --muted: #9aa4af;";

/** Header and first column stay in view while the rest scrolls. */
const TABLE_STYLE = `
.table-title { margin: 1rem 0 .25rem; font-size: 1rem; font-weight: 600; }
.table-note { margin: .25rem 0; max-width: 80ch; }
.table-scroll { max-height: 36rem; overflow: auto; border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0; }
.table-scroll:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
.table-scroll table { border-collapse: separate; border-spacing: 0; margin: 0; width: auto; max-width: none; display: table; color: var(--ink); font: 13px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.table-scroll th, .table-scroll td { padding: .3rem .55rem; border: 0 solid var(--line); border-width: 0 1px 1px 0; text-align: left; vertical-align: top; overflow-wrap: break-word; min-width: 5rem; max-width: 22rem; background: var(--paper); }
.table-scroll thead th { position: sticky; top: 0; z-index: 2; background: var(--head); vertical-align: bottom; }
.table-scroll tbody th { position: sticky; left: 0; z-index: 1; background: var(--head); font-weight: 600; max-width: 14rem; }
.table-scroll thead th:first-child { left: 0; z-index: 3; }
.table-scroll .good { color: var(--good); background: var(--good-paper); }
.table-scroll .bad { color: var(--bad); background: var(--bad-paper); font-weight: 700; }
.table-scroll .warning { color: var(--warning); background: var(--warning-paper); }
.table-scroll .muted, .table-legend { color: var(--muted); }
.table-legend { font-size: .85rem; }
.sign { display: inline-block; min-width: 1em; font-weight: 700; }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 40rem) { .table-scroll table { font-size: 12px; } .table-scroll th, .table-scroll td { padding: .2rem .35rem; min-width: 4rem; max-width: 12rem; } .table-scroll tbody th { max-width: 8.5rem; } }`;

/** What tables need wherever they stand in Allure's page, whose theme is an attribute. */
export const TABLES_STYLE = flat(`:root { ${LIGHT} } :root[data-theme="dark"] { ${DARK} } ${TABLE_STYLE}`);

const PAGE_STYLE = flat(
  `:root { color-scheme: light dark; ${LIGHT} } @media (prefers-color-scheme: dark) { :root { ${DARK} } } ${TABLE_STYLE}
html, body { height: 100%; margin: 0; }
main { display: flex; flex-direction: column; box-sizing: border-box; height: 100%; padding: .5rem; }
body { background: var(--paper); color: var(--ink); font: 14px/1.4 system-ui, sans-serif; }
.table-scroll { flex: 1 1 auto; min-height: 8rem; max-height: none; }`,
);

function flat(css: string): string {
  return css.replaceAll(/\s+/g, " ").trim();
}

/** A table as an HTML page of its own, without scripts and without anything from elsewhere. */
export function tablePage(table: ResultTable): string {
  const title = escapeXml(oneLine(table.title, 300));
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${PAGE_STYLE}</style></head>`,
    `<body><main>${tableHtml(table, "table", "h1")}</main></body></html>`,
  ].join("\n");
}

/**
 * A table as HTML to stand in a page that has {@link TABLES_STYLE}.
 *
 * @param id of its title in the page
 */
export function tableHtml(table: ResultTable, id: string, heading: "h1" | "h2" | "h3" = "h2"): string {
  const states = statesOf(table);
  const rows = table.rows.slice(0, ROWS_IN_PAGE);
  const hidden = table.rows.length - rows.length;
  const legend = states.map((state) => `${STATES[state].sign} ${STATES[state].word}`).join(" · ");
  const head = table.columns.map((column) => `<th scope="col">${breakable(oneLine(column, 200))}</th>`);
  const body = rows.map(
    (row) => `<tr>${row.map((cell, index) => cellHtml(cell, index === 0)).join("")}</tr>`,
  );
  return [
    `<${heading} class="table-title" id="${id}">${escapeXml(oneLine(table.title, 300))}</${heading}>`,
    ...(table.note === undefined ? [] : [`<p class="table-note">${escapeXml(shown(table.note, 2_000))}</p>`]),
    ...(legend === "" ? [] : [`<p class="table-note table-legend">${legend}</p>`]),
    ...(hidden === 0 ? [] : [`<p class="table-note">${hidden} more rows are in results.ndjson.</p>`]),
    `<div class="table-scroll" tabindex="0" role="region" aria-labelledby="${id}">`,
    `<table aria-labelledby="${id}"><thead><tr>${head.join("")}</tr></thead>`,
    `<tbody>${body.join("\n")}</tbody></table></div>`,
  ].join("\n");
}

/** Escaped text that may break where a name does: scopes, paths and types are long and have no spaces. */
function breakable(text: string): string {
  return escapeXml(text).replaceAll(/[/.?=|](?=\S)|(?<=[a-z]{3})(?=[A-Z])/g, "$&<wbr>");
}

function statesOf(table: ResultTable): readonly State[] {
  const present = new Set(
    table.rows.flatMap((row) => row.flatMap((cell) => (typeof cell === "string" ? [] : [cell.state]))),
  );
  return (["good", "warning", "bad"] as const).filter((state) => present.has(state));
}

function cellHtml(cell: ResultCell, isHead: boolean): string {
  const tag = isHead ? 'th scope="row"' : "td";
  const end = isHead ? "th" : "td";
  if (typeof cell === "string") return `<${tag}>${breakable(shown(cell, CELL_SHOWN))}</${end}>`;
  const { sign, word } = STATES[cell.state];
  const marked =
    sign === ""
      ? ""
      : `<span class="sign" aria-hidden="true">${sign}</span><span class="heard">${word}: </span> `;
  const where =
    cell.exchange === undefined ? "" : ` title="exchange ${escapeXml(oneLine(cell.exchange, 60))}"`;
  return `<${tag} class="${cell.state}"${where}>${marked}${breakable(shown(cell.text, CELL_SHOWN))}</${end}>`;
}

const MARKDOWN_SIGNS: Readonly<Record<State, string>> = { good: "✓", bad: "❌", warning: "⚠️", muted: "" };

/** A table in GitHub-flavoured Markdown; of a long one, rows with something bad or a warning stay before others. */
export function tableMarkdown(table: ResultTable): string {
  const rows = mostTelling(table.rows);
  const hidden = table.rows.length - rows.length;
  const columns = table.columns.map((column) => escapeMarkdown(bounded(column, 100)));
  return [
    `**${escapeMarkdown(bounded(table.title, 200))}**`,
    "",
    ...(table.note === undefined ? [] : [escapeMarkdown(bounded(table.note, 500)), ""]),
    line(columns),
    line(columns.map(() => "---")),
    ...rows.map((row) => line(row.map(cellMarkdown))),
    ...(hidden === 0 ? [] : ["", `… and ${hidden} more rows, in the report and in results.ndjson`]),
  ].join("\n");
}

const isTelling = (row: readonly ResultCell[]) =>
  row.some((cell) => typeof cell !== "string" && (cell.state === "bad" || cell.state === "warning"));

/** As many rows as are shown, in their order; those that say something is wrong before others. */
function mostTelling(rows: ResultTable["rows"]): ResultTable["rows"] {
  if (rows.length <= ROWS_IN_MARKDOWN) return rows;
  const ranked = [...new Set([...rows.filter(isTelling), ...rows])];
  const chosen = new Set(ranked.slice(0, ROWS_IN_MARKDOWN));
  return rows.filter((row) => chosen.has(row));
}

function cellMarkdown(cell: ResultCell): string {
  if (typeof cell === "string") return escapeMarkdown(bounded(cell, 100));
  const text = escapeMarkdown(bounded(cell.text, 100));
  const sign = MARKDOWN_SIGNS[cell.state];
  const marked = [sign, text].filter((part) => part !== "").join(" ");
  return cell.state === "bad" ? `**${marked}**` : marked;
}

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
