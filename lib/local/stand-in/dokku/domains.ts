import { DokkuFailure } from './dokku-output.ts';
import type { App } from './host-state.ts';
import { type CommandHandler, parseArguments } from './invocation.ts';

/** A command that changes the domains of one app by the names given. */
function change(
  event: string,
  action: (app: App, names: string[], say: (text: string) => void) => void,
): CommandHandler {
  return ({ args, host, out, now }) => {
    const [name, ...names] = parseArguments(args, {}).positional;
    const app = host.app(name);
    for (const domain of event === 'remove' ? [] : names) {
      if (!/^[a-z0-9.*-]*[a-z0-9*-]$/i.test(domain)) throw new DokkuFailure(`${domain} is invalid. exiting...`);
    }
    if (names.length === 0 && event !== 'clear') throw new DokkuFailure('Please specify one or more domain names');
    action(app, names, (text) => out.step(text));
    app.domainsEnabled = true;
    host.addEvent(now, `INVOKED: post-domains-update( ${[app.name, event, ...names].join(' ')} )`);
  };
}

export const DOMAINS_COMMANDS: [string, CommandHandler][] = [
  [
    'domains:add',
    change('add', (app, names, say) => {
      for (const name of names) {
        if (app.domains.includes(name)) {
          say(`Skipping: ${name} already added to ${app.name}`);
          continue;
        }
        app.domains.push(name);
        say(`Added ${name} to ${app.name}`);
      }
    }),
  ],
  [
    'domains:remove',
    change('remove', (app, names, say) => {
      for (const name of names) {
        app.domains = app.domains.filter((domain) => domain !== name);
        say(`Removed ${name} from ${app.name}`);
      }
    }),
  ],
  [
    'domains:set',
    change('set', (app, names, say) => {
      app.domains = [...new Set(names)];
      say(`Set ${names.join(' ')} for ${app.name}`);
    }),
  ],
  [
    'domains:clear',
    change('clear', (app, _names, say) => {
      app.domains = [];
      say(`Cleared domains in ${app.name}`);
    }),
  ],
];
