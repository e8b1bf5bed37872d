/**
 * For promtool: `metrics` writes every metric as a web process would, `dashboard` the dashboard's queries as rules. Names
 * that the web process does not have end it with 1.
 */
import { readFileSync } from 'node:fs';
import { createFleetMetrics } from '../lib/fleet-metrics.ts';
import { createMetrics } from '../lib/metrics.ts';

type Panel = { title: string; targets?: { expr: string }[]; panels?: Panel[] };

const { registry } = createMetrics();
createFleetMetrics(registry);
const scraped = await registry.metrics();

function queries(panels: readonly Panel[]): string[] {
  return panels.flatMap(({ targets = [], panels: inner = [] }) => [
    ...targets.map(({ expr }) => expr),
    ...queries(inner),
  ]);
}

/** Our metrics that a text names, without the endings of a histogram's samples. */
function namesIn(text: string): string[] {
  const names = text.match(/\b(dokku_api|nodejs|process)_[a-z0-9_]+/g) ?? [];
  return names.map((name) => (known.has(name) ? name : name.replace(/_(bucket|count|sum)$/, '')));
}

const known = new Set(registry.getMetricsAsArray().map(({ name }) => name));
const dashboard = JSON.parse(readFileSync('monitoring/grafana-dashboard.json', 'utf8')) as {
  panels: Panel[];
  templating: { list: { query: unknown }[] };
};
const strange = [
  ...namesIn(JSON.stringify(dashboard)),
  ...namesIn(readFileSync('monitoring/alerts.yml', 'utf8')),
].filter((name) => !known.has(name));

if (strange.length > 0) {
  console.error(`No metric is called ${[...new Set(strange)].join(', ')}: correct monitoring/, or lib/metrics.ts.`);
  process.exitCode = 1;
} else if (process.argv[2] === 'metrics') {
  console.log(scraped);
} else {
  const rules = queries(dashboard.panels).map((expr, index) => ({
    record: `dashboard:query:${index}`,
    expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h'),
  }));
  // JSON is YAML.
  console.log(JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
}
