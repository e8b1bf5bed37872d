/** The style of the page, inside of it: allowed by its hash. */
export const style = `
:root {
  color-scheme: light dark;
  --background: #f6f7f9;
  --surface: #ffffff;
  --sunken: #f3f4f7;
  --line: #e2e5eb;
  --text: #1a1f2b;
  --muted: #5a6371;
  --link: #2f49bb;
  --good: #17683a;
  --bad: #ab231b;
  --doubtful: #7f4d00;
  --sans: Inter, -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  --mono: ui-monospace, SFMono-Regular, Menlo, "Cascadia Mono", Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --background: #0e1117;
    --surface: #151922;
    --sunken: #11151c;
    --line: #262c38;
    --text: #e5e8ee;
    --muted: #9aa4b3;
    --link: #9db0ff;
    --good: #74d196;
    --bad: #ff9a91;
    --doubtful: #efc06f;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0;
  background: var(--background);
  color: var(--text);
  font: 1rem/1.55 var(--sans);
  overflow-wrap: break-word;
}
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; }
code, pre { font-family: var(--mono); font-size: 0.875rem; }
pre {
  margin: 0.5rem 0;
  padding: 0.75rem 1rem;
  overflow-x: auto;
  background: var(--sunken);
  border: 1px solid var(--line);
  border-radius: 6px;
}
nav, main { padding: 1rem; }
main { max-width: 56rem; min-width: 0; }
nav { border-bottom: 1px solid var(--line); font-size: 0.9375rem; }
nav summary { padding: 0.25rem 0; font-weight: 600; cursor: pointer; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav ul ul { padding-left: 0.75rem; }
nav a { display: block; padding: 0.25rem 0; text-decoration: none; }
nav a:hover { text-decoration: underline; }
h1, h2, h3, h4, h5 { line-height: 1.25; text-wrap: balance; }
h1 { margin: 0 0 0.5rem; font-size: 1.75rem; }
h1 small { color: var(--muted); font-size: 1rem; font-weight: 400; }
h2 { margin: 2.5rem 0 0.75rem; font-size: 1.375rem; }
h3 { margin: 0 0 0.5rem; font-size: 1.125rem; }
h4, h5 { margin: 1rem 0 0.25rem; font-size: 0.9375rem; }
.lead { font-size: 1.125rem; }
article {
  margin: 1rem 0;
  padding: 1rem;
  background: var(--surface);
  border: 1px solid var(--line);
  border-radius: 8px;
}
.call { margin: 0 0 0.5rem; }
.call code { overflow-wrap: anywhere; }
.method { font: 600 0.8125rem var(--mono); color: var(--link); }
.method.delete { color: var(--bad); }
.method.post { color: var(--good); }
.mark {
  margin-left: 0.5rem;
  padding: 0 0.4rem;
  border: 1px solid var(--line);
  border-radius: 4px;
  color: var(--muted);
  font-size: 0.8125rem;
}
dl { margin: 0.25rem 0; }
.field { padding: 0.4rem 0; border-top: 1px solid var(--line); }
.field:first-child { border-top: 0; }
.field dd { margin: 0; color: var(--muted); }
.field dt { overflow-wrap: anywhere; }
.type { margin-left: 0.6rem; color: var(--muted); font-size: 0.875rem; }
.answer { border-top: 1px solid var(--line); padding: 0.4rem 0; }
.answer summary { cursor: pointer; }
.status { font: 600 0.875rem var(--mono); color: var(--good); }
.status.of-4 { color: var(--doubtful); }
.status.of-5 { color: var(--bad); }
ul.refusals { margin: 0.25rem 0 0; padding: 0; list-style: none; }
.refusals li { padding: 0.2rem 0; border-top: 1px solid var(--line); }
.refusals a { margin-left: 0.6rem; }
.field:target, article:target { outline: 2px solid var(--link); outline-offset: 2px; }
figure { margin: 0.5rem 0; }
figcaption { color: var(--muted); font-size: 0.875rem; }
@media (min-width: 64rem) {
  body { display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
  nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; border-bottom: 0; border-right: 1px solid var(--line); }
  main { padding: 1.5rem 2rem 4rem; }
}
@media print { nav { display: none; } }
`;
