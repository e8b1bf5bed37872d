import type { FieldError } from '../../../lib/errors.ts';
import type { Session } from '../session.ts';
import { FormToken, SentOnce } from './form-token.tsx';
import { Icon } from './icon.tsx';
import { Page } from './layout.tsx';
import { Notice } from './notice.tsx';

/** What was typed, to be shown again where it was refused. */
export type RunFields = { cmd: string; server: string; timeout: string; callback_url: string };

type RunPageProps = {
  session: Session;
  servers: readonly string[];
  fields: RunFields;
  errors: readonly Pick<FieldError, 'field' | 'detail'>[];
  /** A refusal that is not one of a field. */
  problem?: string | undefined;
  usualTimeout: number;
  now: number;
};

export function RunPage({ session, servers, fields, errors, problem, usualTimeout, now }: RunPageProps) {
  const error = (field: keyof RunFields) => errors.find((candidate) => candidate.field === field)?.detail;
  const moreIsOpen = fields.timeout !== '' || fields.callback_url !== '';
  return (
    <Page title="Run a command" session={session} now={now}>
      <div class="narrow">
        <div class="page-head">
          <h1>Run a command</h1>
        </div>
        {problem !== undefined && (
          <Notice tone="bad" role="alert">
            {problem}
          </Notice>
        )}
        <form class="card" method="post" action="/console/commands">
          <FormToken session={session} />
          <SentOnce />
          <Field
            name="cmd"
            label="Dokku command line"
            error={error('cmd')}
            hint="As after dokku on the host, without quotes: apps:list"
          >
            {(described) => (
              <div class="prompt">
                <span aria-hidden="true">dokku</span>
                <input
                  id="cmd"
                  name="cmd"
                  value={fields.cmd}
                  class="mono"
                  autocomplete="off"
                  autocapitalize="none"
                  spellcheck={false}
                  required
                  autofocus
                  {...described}
                />
              </div>
            )}
          </Field>
          {servers.length > 1 && (
            <Field name="server" label="Server" error={error('server')}>
              {(described) => (
                <select id="server" name="server" {...described}>
                  {servers.map((server) => (
                    <option value={server} selected={server === fields.server}>
                      {server}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          )}
          <details class="more" open={moreIsOpen}>
            <summary>Time allowed and callback</summary>
            <Field name="timeout" label="Seconds allowed" error={error('timeout')} hint={`Empty: ${usualTimeout}.`}>
              {(described) => (
                <input
                  id="timeout"
                  name="timeout"
                  value={fields.timeout}
                  inputmode="numeric"
                  class="short"
                  {...described}
                />
              )}
            </Field>
            <Field
              name="callback_url"
              label="Callback URL"
              error={error('callback_url')}
              hint="Gets the finished command by POST. Empty: none."
            >
              {(described) => (
                <input
                  id="callback_url"
                  name="callback_url"
                  type="url"
                  value={fields.callback_url}
                  class="mono"
                  autocomplete="off"
                  {...described}
                />
              )}
            </Field>
          </details>
          <button class="button primary" type="submit">
            <Icon name="play" />
            Run
          </button>
        </form>
      </div>
    </Page>
  );
}

type Described = { 'aria-describedby'?: string; 'aria-invalid'?: 'true' };

type FieldProps = {
  name: string;
  label: string;
  error: string | undefined;
  hint?: string;
  children: (described: Described) => unknown;
};

function Field({ name, label, error, hint, children }: FieldProps) {
  const texts = [...(error === undefined ? [] : [`${name}-error`]), ...(hint === undefined ? [] : [`${name}-hint`])];
  const described: Described = {
    ...(texts.length === 0 ? {} : { 'aria-describedby': texts.join(' ') }),
    ...(error === undefined ? {} : { 'aria-invalid': 'true' as const }),
  };
  return (
    <div class="field">
      <label for={name}>{label}</label>
      {children(described)}
      {error !== undefined && (
        <p class="field-error" id={`${name}-error`}>
          <Icon name="warning" />
          {error}
        </p>
      )}
      {hint !== undefined && (
        <p class="hint" id={`${name}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
