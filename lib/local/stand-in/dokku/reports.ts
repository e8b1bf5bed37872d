import { DokkuFailure } from './dokku-output.ts';
import { type App, containerId, type HostState, processesOf } from './host-state.ts';
import type { CommandHandler, Invocation } from './invocation.ts';

interface Report {
  command: string;
  title: string;
  values: (app: App, host: HostState) => [flag: string, value: string][];
}

const REPORTS: Report[] = [
  {
    command: 'apps:report',
    title: 'app',
    values: (app) => [
      ['app-created-at', String(app.createdAt)],
      ['app-deploy-source', app.deployed ? 'docker-image' : ''],
      ['app-deploy-source-metadata', app.deployed ? `dokku/${app.name}:latest` : ''],
      ['app-dir', `/home/dokku/${app.name}`],
      ['app-locked', 'false'],
    ],
  },
  {
    command: 'config:report',
    title: 'config',
    values: (app, host) => [
      ['config-keys', [...app.config.keys()].sort().join(' ')],
      ['config-global-keys', [...host.globalConfig.keys()].sort().join(' ')],
    ],
  },
  {
    command: 'ps:report',
    title: 'ps',
    values: (app) => [
      ['deployed', String(app.deployed)],
      ['processes', String(processesOf(app).length)],
      ['ps-can-scale', 'true'],
      ['ps-computed-procfile-path', 'Procfile'],
      ['ps-global-procfile-path', 'Procfile'],
      ['ps-procfile-path', ''],
      ['ps-restart-policy', 'on-failure:10'],
      ['restore', 'true'],
      ['running', String(app.running)],
      ...processesOf(app).map((process): [string, string] => [
        `status-${process.replace('.', '-')}`,
        `${app.running ? 'running' : 'exited'} (CID: ${containerId(app, process).slice(0, 11)})`,
      ]),
    ],
  },
  {
    command: 'domains:report',
    title: 'domains',
    values: (app, host) => [
      ['domains-app-enabled', String(app.domainsEnabled)],
      ['domains-app-vhosts', app.domains.join(' ')],
      ['domains-global-enabled', String(host.globalDomains.length > 0)],
      ['domains-global-vhosts', host.globalDomains.join(' ')],
    ],
  },
  {
    command: 'checks:report',
    title: 'checks',
    values: () => [
      ['checks-disabled-list', 'none'],
      ['checks-skipped-list', 'none'],
      ['checks-computed-wait-to-retire', '60'],
    ],
  },
  {
    command: 'git:report',
    title: 'git',
    values: (app) => [
      ['git-deploy-branch', 'master'],
      ['git-global-deploy-branch', 'master'],
      ['git-sha', app.deployed ? containerId(app, 'source').slice(0, 7) : ''],
    ],
  },
  {
    command: 'proxy:report',
    title: 'proxy',
    values: () => [
      ['proxy-enabled', 'true'],
      ['proxy-type', 'nginx'],
    ],
  },
  {
    command: 'network:report',
    title: 'network',
    values: (app) => [
      ['network-bind-all-interfaces', 'false'],
      ['network-web-listeners', app.running ? '172.17.0.2:5000' : ''],
    ],
  },
];

function show({ out, host }: Invocation, report: Report, app: App, json: boolean, flag: string | undefined): void {
  const values = report.values(app, host);
  if (json) {
    out.line(JSON.stringify(Object.fromEntries(values)));
    return;
  }
  if (flag !== undefined) {
    const found = values.find(([name]) => `--${name}` === flag);
    const valid = values.map(([name]) => `--${name}`).join(', ');
    if (found === undefined) throw new DokkuFailure(`Invalid flag passed, valid flags: ${valid}`);
    out.line(found[1]);
    return;
  }
  out.heading(`${app.name} ${report.title} information`);
  for (const [name, value] of values) {
    const label = name.replaceAll('-', ' ');
    out.detail(`${`${label.charAt(0).toUpperCase()}${label.slice(1)}:`.padEnd(31)}${value}`);
  }
}

/** `*:report [<app>] [--format json | <flag>]`; without an app it is for each, as Dokku prints them. */
function handler(report: Report): CommandHandler {
  return (invocation) => {
    const { args, host } = invocation;
    const formatAt = args.findIndex((argument) => argument === '--format' || argument.startsWith('--format='));
    const format = formatAt === -1 ? 'stdout' : (args[formatAt]?.split('=')[1] ?? args[formatAt + 1]);
    if (format !== 'stdout' && format !== 'json') throw new DokkuFailure(`Invalid format specified: ${format ?? ''}`);
    const formatWords = formatAt === -1 ? 0 : args[formatAt] === '--format' ? 2 : 1;
    const rest = args.filter((_, index) => formatAt === -1 || index < formatAt || index >= formatAt + formatWords);
    const flags = rest.filter((argument) => argument.startsWith('--'));
    const [name] = rest.filter((argument) => !argument.startsWith('--'));
    if (flags.length > 1) throw new DokkuFailure(`${report.command} command allows only a single flag`);
    if (format === 'json' && flags.length > 0) {
      throw new DokkuFailure('--format flag cannot be specified when specifying an info flag');
    }
    const apps = name === undefined ? host.apps : [host.app(name)];
    for (const app of apps) show(invocation, report, app, format === 'json', flags[0]);
  };
}

export const REPORT_COMMANDS: [string, CommandHandler][] = REPORTS.map((report) => [report.command, handler(report)]);
