import type { CommandSummary } from '../../../db/command-summaries.ts';
import type { ServerStatus } from '../../../db/server-status.ts';
import { commandStates } from '../../../lib/command.ts';
import type { Readiness } from '../console-dependencies.ts';
import { isFiltered, type ListFilter, listPath } from '../list-filter.ts';
import type { Session } from '../session.ts';
import { stateText } from './badge.tsx';
import { CommandRow } from './command-row.tsx';
import { Icon } from './icon.tsx';
import { Page } from './layout.tsx';
import { Live } from './live.tsx';
import { Troubles } from './troubles.tsx';

type ListPageProps = {
  session: Session;
  filter: ListFilter;
  servers: readonly string[];
  statuses: readonly ServerStatus[];
  readiness: Readiness;
  rows: readonly CommandSummary[];
  /** Where the neighbouring pages begin; null where there is none. */
  newer: string | null;
  older: string | null;
  isNewest: boolean;
  /** The id down to which a search looked that was not finished. */
  lookedTo: number | null;
  pageSize: number;
  now: number;
};

export function ListPage(props: ListPageProps) {
  const { session, filter, servers, statuses, readiness, rows, isNewest, pageSize, now } = props;
  return (
    <Page title="Commands" section="Commands" session={session} now={now}>
      <div class="page-head">
        <h1>Commands</h1>
        <Live />
      </div>
      <div id="troubles" aria-live="polite">
        <Troubles servers={statuses} readiness={readiness} now={now} />
      </div>
      <nav class="chips" aria-label="State">
        {(['', ...commandStates] as const).map((state) => (
          <a href={listPath({ ...filter, state })} aria-current={state === filter.state ? 'true' : undefined}>
            {state === '' ? 'All' : stateText(state)}
          </a>
        ))}
      </nav>
      <search aria-label="Commands">
        <form class="filter" method="get" action="/console">
          {filter.state !== '' && <input type="hidden" name="state" value={filter.state} />}
          <label class="search">
            <Icon name="search" />
            <span class="unseen">Part of the command line</span>
            <input type="search" name="q" value={filter.text} placeholder="Part of the command line" maxlength={200} />
          </label>
          {servers.length > 1 && (
            <label>
              <span class="unseen">Server</span>
              <select name="server">
                <option value="">All servers</option>
                {servers.map((server) => (
                  <option value={server} selected={server === filter.server}>
                    {server}
                  </option>
                ))}
              </select>
            </label>
          )}
          <button class="button" type="submit">
            Search
          </button>
          {isFiltered(filter) && (
            <a class="button plain" href="/console">
              Clear
            </a>
          )}
        </form>
      </search>
      <p class="pending-news">
        <button class="button news" type="button" id="news" hidden>
          Show what is new
        </button>
      </p>
      <table
        class="commands"
        aria-label="Commands, the newest first"
        data-live-list={listPath(filter).replace('/console', '/console/events')}
        data-newest={isNewest ? 'true' : undefined}
        data-page-size={pageSize}
      >
        <thead>
          <tr>
            <th scope="col" class="at-state">
              State
            </th>
            <th scope="col" class="at-command">
              Command
            </th>
            <th scope="col" class="at-server">
              Server
            </th>
            <th scope="col" class="at-age number">
              Age
            </th>
            <th scope="col" class="at-duration number">
              Run time
            </th>
            <th scope="col" class="at-id number">
              Id
            </th>
          </tr>
        </thead>
        <tbody id="rows">
          {rows.map((command) => (
            <CommandRow command={command} now={now} />
          ))}
        </tbody>
      </table>
      <div id="nothing" hidden={rows.length > 0}>
        <Nothing {...props} />
      </div>
      <Neighbours {...props} />
    </Page>
  );
}

function Nothing({ filter, lookedTo }: ListPageProps) {
  if (lookedTo !== null) {
    return (
      <div class="empty">
        <Icon name="search" />
        <h2>Nothing found so far</h2>
        <p>Looked back to command {lookedTo}. There are older ones to look at.</p>
      </div>
    );
  }
  if (isFiltered(filter)) {
    return (
      <div class="empty">
        <Icon name="search" />
        <h2>No command is like that</h2>
        <p>Capitals matter in a search. Clear the filter to see all commands.</p>
        <a class="button" href="/console">
          Clear the filter
        </a>
      </div>
    );
  }
  return (
    <div class="empty">
      <Icon name="empty" />
      <h2>No commands yet</h2>
      <p>
        Run the first one here, or send <code>POST /commands</code>. It appears in this list by itself.
      </p>
      <a class="button primary" href="/console/run">
        <Icon name="play" />
        Run a command
      </a>
    </div>
  );
}

/** On the newest page the way to older ones is there from the start: the script shows it once the page is full. */
function Neighbours({ newer, older, isNewest, filter, lookedTo, rows }: ListPageProps) {
  return (
    <nav class="neighbours" aria-label="Pages">
      <span>
        {!isNewest && (
          <a class="button" href={listPath(filter)}>
            Newest
          </a>
        )}
        {newer !== null && (
          <a class="button" href={newer} rel="prev">
            <Icon name="left" />
            Newer
          </a>
        )}
      </span>
      {lookedTo !== null && rows.length > 0 && <span class="hint">Looked back to command {lookedTo}</span>}
      <a class="button" id="older" href={older ?? listPath(filter)} rel="next" hidden={older === null}>
        {lookedTo === null ? 'Older' : 'Look further back'}
        <Icon name="right" />
      </a>
    </nav>
  );
}
