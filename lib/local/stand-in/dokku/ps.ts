import { DokkuFailure } from './dokku-output.ts';
import { type App, containerId, processesOf } from './host-state.ts';
import { type CommandHandler, type Invocation, parseArguments, wantsJson } from './invocation.ts';

const CYAN = '\u001b[36m';
const RESET = '\u001b[0m';
/** Dokku puts the cursor to the start of the line before a step, for the sake of `git push`. */
const LINE_START = '\u001b[1G';

/** Prints what a deploy of the app's present release prints, coloured as there, and makes new containers. */
function deploy({ host, out, now }: Invocation, app: App): void {
  app.release += 1;
  app.deployed = true;
  app.running = true;
  if (app.scale.size === 0) app.scale.set('web', 1);
  const processes = processesOf(app);
  out.line(`${LINE_START}${CYAN}-----> Deploying ${app.name}...${RESET}`);
  for (const process of processes) {
    out.line(`${LINE_START}-----> Attempting to run scheduled checks (${process})`);
    out.detail(`Container ${containerId(app, process).slice(0, 11)} is running (${process})`);
    host.addLog(app, now, process, `Starting process ${process}`);
  }
  if (processes.includes('web.1')) host.addLog(app, now, 'web.1', 'Listening on port 5000');
  out.line(`${LINE_START}-----> Running post-deploy`);
  out.line(`${LINE_START}${CYAN}=====> Application deployed:${RESET}`);
  for (const domain of app.domains) out.detail(`http://${domain}`);
  host.addEvent(now, `INVOKED: post-deploy( ${app.name} )`);
}

/** Also what a change of config ends with. */
export function restartApp(invocation: Invocation, app: App): void {
  invocation.out.step(`Restarting app ${app.name}`);
  deploy(invocation, app);
}

function start(invocation: Invocation, app: App): void {
  if (app.running) invocation.out.step(`App ${app.name} already running`);
  else deploy(invocation, app);
}

function stop({ host, out, now }: Invocation, app: App): void {
  if (!app.running) {
    out.step(`App ${app.name} has not been started`);
    return;
  }
  out.step(`Stopping ${app.name}`);
  for (const process of processesOf(app)) host.addLog(app, now, process, 'Stopping on SIGTERM');
  app.running = false;
  host.addEvent(now, `INVOKED: post-stop( ${app.name} )`);
}

function rebuild(invocation: Invocation, app: App): void {
  const { out } = invocation;
  out.step(`Rebuilding ${app.name}...`);
  out.line(`${LINE_START}${CYAN}-----> Building ${app.name} from Dockerfile${RESET}`);
  for (const percent of [0, 40, 80, 100]) out.line(`\rExporting layers ${percent}%`);
  deploy(invocation, app);
}

/** A command for one app or, with `--all`, for each. An app that was never deployed is passed over with a warning. */
function forApps(action: (invocation: Invocation, app: App) => void): CommandHandler {
  return (invocation) => {
    const { host, out, args } = invocation;
    const parsed = parseArguments(args, { flags: ['--all'], values: ['--parallel', '-p'] });
    const apps = parsed.flags.has('--all') ? host.apps : [host.app(parsed.positional[0])];
    for (const app of apps) {
      if (app.deployed) action(invocation, app);
      else out.warning(`App ${app.name} has not been deployed`);
    }
  };
}

const scale: CommandHandler = (invocation) => {
  const { host, out, args, now } = invocation;
  const parsed = parseArguments(args, { flags: ['--skip-deploy'], values: ['--format'] });
  const [name, ...pairs] = parsed.positional;
  const app = host.app(name);
  if (pairs.length === 0) return showScale(invocation, app, wantsJson(parsed));
  const wanted = pairs.map((pair): [string, number] => {
    const [type = '', count] = pair.split('=');
    if (count === undefined) throw new DokkuFailure(`Missing count for process type ${pair}`);
    if (!/^\d{1,3}$/.test(count) || type === '') throw new DokkuFailure(`Invalid count for process type ${type}`);
    return [type, Number(count)];
  });
  for (const [type, count] of wanted) {
    out.step(`Scaling ${app.name}:${type}=${count}`);
    app.scale.set(type, count);
  }
  host.addEvent(now, `INVOKED: post-scale-update( ${app.name} )`);
  if (app.deployed && app.running && !parsed.flags.has('--skip-deploy')) deploy(invocation, app);
};

function showScale({ out }: Invocation, app: App, json: boolean): void {
  const entries = [...app.scale].sort(([a], [b]) => (a < b ? -1 : 1));
  if (json) {
    out.line(JSON.stringify(Object.fromEntries(entries)));
    return;
  }
  out.step(`Scaling for ${app.name}`);
  const rows = out.quiet ? [] : ['proctype: qty', '--------: ---'];
  for (const row of [...rows, ...entries.map(([type, count]) => `${type}: ${count}`)]) out.line(row);
}

const inspect: CommandHandler = ({ host, out, args }) => {
  const app = host.app(parseArguments(args, {}).positional[0]);
  const containers = processesOf(app).map((process) => ({
    Id: containerId(app, process),
    Name: `/${app.name}.${process}`,
    State: { Status: app.running ? 'running' : 'exited', Running: app.running, ExitCode: 0 },
    Config: { Image: `dokku/${app.name}:latest`, Labels: { 'com.dokku.app-name': app.name, dokku: '' } },
  }));
  if (!app.deployed) throw new DokkuFailure(`App ${app.name} has not been deployed`);
  out.line(JSON.stringify(containers, null, 4));
};

export const PS_COMMANDS: [string, CommandHandler][] = [
  ['ps:restart', forApps(restartApp)],
  ['ps:start', forApps(start)],
  ['ps:stop', forApps(stop)],
  ['ps:rebuild', forApps(rebuild)],
  ['ps:scale', scale],
  ['ps:inspect', inspect],
];
