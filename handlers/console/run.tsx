import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { serversOf } from '../../lib/config.ts';
import { ApiError } from '../../lib/errors.ts';
import { acceptCommand } from '../commands/accept-command.ts';
import { parseNewCommandFields } from '../commands/new-command-fields.ts';
import { createRunnableCheck } from '../commands/runnable-command.ts';
import { type AppEnv, factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { formFields, formRequest, textField } from './form.ts';
import { sessionOf } from './signed-in.tsx';
import { type RunFields, RunPage } from './views/run-page.tsx';

const noFields: RunFields = { cmd: '', server: '', timeout: '', callback_url: '' };

/** GET /console/run: the form for a new command. */
export function runPage(deps: ConsoleDependencies) {
  return factory.createHandlers((context) => showForm(context, deps, noFields));
}

/** POST /console/commands: accepts the command and goes to its page; what is refused is said beside its field. */
export function runFromConsole(deps: ConsoleDependencies) {
  const checkRunnable = createRunnableCheck(deps.config);
  return factory.createHandlers(async (context) => {
    const sent = await formFields(context);
    const { values, errors } = parseNewCommandFields(sent);
    try {
      const command = checkRunnable(context.var.key, values, errors);
      const request = await formRequest(context, { ...command });
      const row = await acceptCommand(context, deps, command, { request, retryOf: null, legacyRetry: false });
      return context.redirect(`/console/commands/${row.token}`, 303);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
      const names = Object.keys(noFields) as (keyof RunFields)[];
      const typed = Object.fromEntries(names.map((name) => [name, textField(sent, name)])) as RunFields;
      return await showForm(context, deps, typed, error);
    }
  });
}

function showForm(
  context: Context<AppEnv>,
  { config, wallClock }: ConsoleDependencies,
  fields: RunFields,
  refusal?: ApiError,
): Response | Promise<Response> {
  const { key } = context.var;
  const names = serversOf(config).map(({ name }) => name);
  const isOfFields = refusal !== undefined && refusal.fields.length > 0;
  return context.html(
    <RunPage
      session={sessionOf(context)}
      servers={names.filter((name) => key.servers?.includes(name) ?? true)}
      fields={fields}
      errors={refusal?.fields ?? []}
      problem={isOfFields ? undefined : refusal?.detail}
      usualTimeout={config.commandTimeoutSeconds}
      now={wallClock()}
    />,
    (refusal?.status ?? 200) as ContentfulStatusCode,
  );
}
