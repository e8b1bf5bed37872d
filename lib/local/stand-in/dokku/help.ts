import type { CommandHandler } from './invocation.ts';

interface HelpEntry {
  command: string;
  args: string;
  description: string;
}

/** One line a command, as `dokku help --all` lists them. The daemon knows exactly these. */
const ENTRIES: HelpEntry[] = `
apps||[DEPRECATED] Alias for apps:list
apps:create|<app>|Create a new app
apps:destroy|<app>|Permanently destroy an app
apps:exists|<app>|Checks if an app exists
apps:list|[--format json]|List your apps
apps:rename|<old-app> <new-app>|Rename an app
apps:report|[<app>] [<flag>]|Display report about an app
checks:report|[<app>] [<flag>]|Displays a checks report for one or more apps
config:export|(<app>/--global) [--format FORMAT]|Export a global or app environment
config:get|(<app>/--global) KEY|Display a global or app-specific config value
config:keys|(<app>/--global)|Show keys set in environment
config:report|[<app>] [<flag>]|Displays a config report for one or more apps
config:set|[--encoded] [--no-restart] (<app>/--global) KEY1=VALUE1|Set one or more config vars
config:show|(<app>/--global)|Pretty-print an app or global environment
config:unset|[--no-restart] (<app>/--global) KEY1|Unset one or more config vars
domains:add|<app> <domain> [<domain> ...]|Add domains to app
domains:clear|<app>|Clear all domains for app
domains:remove|<app> <domain> [<domain> ...]|Remove domains from app
domains:report|[<app>] [<flag>]|Displays a domains report for one or more apps
domains:set|<app> <domain> [<domain> ...]|Set domains for app
events|[-t/--tail]|Show the last events
git:report|[<app>] [<flag>]|Displays a git report for one or more apps
help||Print the list of commands
logs|<app> [-n num] [-p ps] [-q] [-t]|Display recent log output
network:report|[<app>] [<flag>]|Displays a network report for one or more apps
proxy:report|[<app>] [<flag>]|Displays a proxy report for one or more apps
ps:inspect|<app>|Displays a sanitized version of docker inspect for an app
ps:rebuild|[--all/<app>]|Rebuilds an app from source
ps:report|[<app>] [<flag>]|Displays a process report for one or more apps
ps:restart|[--all/<app>]|Restart an app
ps:scale|[--skip-deploy] <app> [<proc>=<count> ...]|Get/Set how many instances of a given process to run
ps:start|[--all/<app>]|Start an app
ps:stop|[--all/<app>]|Stop an app
version||Print dokku's version
`
  .trim()
  .split('\n')
  .map((line) => {
    const [command = '', args = '', description = ''] = line.split('|');
    return { command, args, description };
  });

const VERSION = '0.35.15';

function plugin(command: string): string {
  return command.split(':')[0] ?? command;
}

function row(entry: HelpEntry): string {
  return `    ${`${entry.command} ${entry.args}`.padEnd(66)}${entry.description}`;
}

const help: CommandHandler = ({ args, out }) => {
  out.line('Usage: dokku [--quiet|--trace|--force] COMMAND <app> [command-specific-options]');
  out.line('');
  if (args.includes('--all')) {
    out.line('Commands:');
    out.line('');
    for (const entry of ENTRIES) out.line(row(entry));
    return;
  }
  out.line(
    'Primary help options, type "dokku COMMAND:help" for more details, or dokku help --all to see all commands.',
  );
  out.line('');
  out.line('Commands:');
  out.line('');
  for (const name of new Set(ENTRIES.map((entry) => plugin(entry.command)))) out.line(`    ${name}`);
};

/** Returns null where no plugin has the name. */
export function pluginHelp(command: string): CommandHandler | null {
  const name = plugin(command);
  const entries = ENTRIES.filter((entry) => plugin(entry.command) === name);
  if (entries.length === 0) return null;
  return ({ out }) => {
    out.line(`Usage: dokku ${name}[:COMMAND]`);
    out.line('');
    out.line('Additional commands:');
    for (const entry of entries) out.line(row(entry));
  };
}

export const HELP_COMMANDS: [string, CommandHandler][] = [
  ['help', help],
  ['version', ({ out }) => out.line(`dokku version ${VERSION}`)],
];
