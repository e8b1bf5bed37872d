import { DokkuFailure } from './dokku-output.ts';
import { type CommandHandler, parseArguments, wantsJson } from './invocation.ts';

function requireValidName(name: string): void {
  if (/^[a-z0-9][^/:_A-Z]*$/.test(name)) return;
  throw new DokkuFailure(
    'App name must begin with lowercase alphanumeric character, and cannot include uppercase characters, colons, or underscores',
  );
}

const list: CommandHandler = ({ args, host, out }) => {
  const names = host.apps.map((app) => app.name);
  if (wantsJson(parseArguments(args, { values: ['--format'] }))) return out.line(JSON.stringify(names));
  out.heading('My Apps');
  if (names.length === 0) out.warning("You haven't deployed any applications yet");
  for (const name of names) out.line(name);
};

const create: CommandHandler = ({ args, host, out, now }) => {
  const [name] = parseArguments(args, {}).positional;
  if (!name) throw new DokkuFailure('Please specify an app to run the command on');
  requireValidName(name);
  if (host.apps.some((app) => app.name === name)) throw new DokkuFailure('Name is already taken');
  host.addApp(name, now);
  host.addEvent(now, `INVOKED: post-create( ${name} )`);
  out.step(`Creating ${name}...`);
  out.step('Creating new app virtual host file...');
};

const destroy: CommandHandler = ({ args, host, out, now }) => {
  const app = host.app(parseArguments(args, { flags: ['--force'] }).positional[0]);
  host.removeApp(app);
  host.addEvent(now, `INVOKED: post-delete( ${app.name} )`);
  out.step(`Destroying ${app.name} (including all add-ons)`);
  out.step('Cleaning up...');
  out.step('Retiring old containers and images');
};

const rename: CommandHandler = ({ args, host, out, now }) => {
  const [oldName, newName] = parseArguments(args, { flags: ['--skip-deploy'] }).positional;
  const app = host.app(oldName);
  if (!newName) throw new DokkuFailure('Please specify a new app name');
  requireValidName(newName);
  if (host.apps.some((other) => other.name === newName)) throw new DokkuFailure('Name is already taken');
  host.removeApp(app);
  const renamed = host.addApp(newName, now);
  Object.assign(renamed, { ...app, name: newName, release: app.release + 1, domains: renamed.domains });
  host.addEvent(now, `INVOKED: post-app-rename( ${app.name} ${newName} )`);
  out.step(`Renaming ${app.name} to ${newName}...`);
  out.step(`Creating ${newName}...`);
  out.step(`Destroying ${app.name} (including all add-ons)`);
};

const exists: CommandHandler = ({ args, host }) => {
  host.app(parseArguments(args, {}).positional[0]);
};

export const APPS_COMMANDS: [string, CommandHandler][] = [
  ['apps', list],
  ['apps:list', list],
  ['apps:create', create],
  ['apps:destroy', destroy],
  ['apps:rename', rename],
  ['apps:exists', exists],
];
