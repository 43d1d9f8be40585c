const LIGHT =
  "--paper: #fff; --ink: #1b1f24; --line: #c9d1d9; --head: #eef1f4; --good: #0a6b2d; --good-paper: #e6f6ea; --bad: #8f0012; --bad-paper: #ffe0e0; --warning: #6b4300; --warning-paper: #fff1cc; --muted: #57606a; --link: #0b4fa8;";
const DARK =
  "--paper: #16191d; --ink: #e6edf3; --line: #3d444d; --head: #22272e; --good: #7ee2a0; --good-paper: #12331f; --bad: #ffb3b3; --bad-paper: #5c0f17; --warning: #f5d487; --warning-paper: #42310a; --muted: #9aa4af; --link: #8ab8ff;";

/** The look of the page of a sign-off: light, dark, narrow and on paper. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
html, body { margin: 0; background: var(--paper); color: var(--ink); }
body { font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.25rem; }
.kind { margin: 0; color: var(--muted); }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .1rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .25rem; }
p { margin: .4rem 0; max-width: 80ch; }
a { color: var(--link); }
ul { margin: .3rem 0; padding-left: 1.3rem; }
code { font: .9em/1.4 ui-monospace, "DejaVu Sans Mono", monospace; }
.verdict { border: 2px solid; border-radius: 6px; padding: .75rem 1rem; }
.verdict h2 { font-size: 2rem; line-height: 1.2; margin: 0; }
.verdict .sentence { font-size: 1.1rem; font-weight: 600; }
.verdict.go { color: var(--good); background: var(--good-paper); }
.verdict.conditional { color: var(--warning); background: var(--warning-paper); }
.verdict.no-go { color: var(--bad); background: var(--bad-paper); }
.verdict code { color: inherit; }
dl { margin: .5rem 0; }
dl div { display: flex; flex-wrap: wrap; gap: 0 .75rem; }
dt { font-weight: 600; min-width: 7rem; }
dd { margin: 0; flex: 1 1 14rem; min-width: 0; }
.reasons { list-style: none; padding: 0; }
.reasons > li { border-left: 4px solid; padding: .1rem 0 .1rem .8rem; margin: .6rem 0; }
.reasons > li > * { color: var(--ink); }
.reasons > .no-go { border-color: var(--bad); }
.reasons > .conditional { border-color: var(--warning); }
.remedy, .where { color: var(--muted); font-size: .92em; }
.reasons > li > .remedy { color: var(--muted); }
table.stacks { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
.stacks caption { text-align: left; color: var(--muted); font-size: .92em; padding: .2rem 0; }
.stacks th, .stacks td { border: 1px solid var(--line); padding: .35rem .55rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.stacks thead th { background: var(--head); overflow-wrap: normal; }
.stacks tbody th { font-weight: 600; }
.stacks .number { text-align: right; overflow-wrap: normal; }
.state { font-weight: 600; }
.state.met, .state.attested { color: var(--good); }
.state.not-met { color: var(--bad); }
.state.to-attest, .state.unanswered, .waived { color: var(--warning); }
.problem { border-top: 1px solid var(--line); padding: .2rem 0 .6rem; }
.digest { font-size: .8em; }
footer { color: var(--muted); border-top: 1px solid var(--line); margin-top: 2rem; padding-bottom: 2rem; }
@media (max-width: 44rem) {
  h1 { font-size: 1.35rem; }
  .verdict h2 { font-size: 1.6rem; }
  .stacks, .stacks tbody, .stacks tr, .stacks th, .stacks td, .stacks caption { display: block; width: 100%; }
  .stacks thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stacks tr { border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0; padding: .3rem .5rem; }
  .stacks th, .stacks td, .stacks .number { border: 0; padding: .1rem 0; text-align: left; }
  .stacks td[data-title]::before { content: attr(data-title) ": "; color: var(--muted); }
  .stacks td:empty { display: none; }
}
@page { margin: 16mm 14mm; }
@media print {
  :root { color-scheme: light; ${LIGHT} }
  body { font-size: 10pt; }
  header, main, footer { max-width: none; padding: 0; }
  .verdict, .state, .table-scroll td { print-color-adjust: exact; }
  h2, h3, caption { break-after: avoid; }
  tr, .verdict, .reasons > li { break-inside: avoid; }
  thead { display: table-header-group; }
  .table-scroll { max-height: none; overflow: visible; border: 0; }
  .table-scroll table { width: 100%; font-size: 8pt; }
  .table-scroll thead th, .table-scroll tbody th { position: static; }
  .table-scroll th, .table-scroll td { min-width: 0; max-width: none; overflow-wrap: anywhere; }
  a { color: inherit; text-decoration: none; }
}
`
  .replaceAll(/\s+/g, " ")
  .trim();
