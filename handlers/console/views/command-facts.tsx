import type { Child } from 'hono/jsx';
import type { CommandView } from '../../../db/command-view.ts';
import { Age, Duration, Elapsed, Moment } from './time.tsx';

/** All that is known of a command beside its output. */
export function CommandFacts({ command, now }: { command: CommandView; now: number }) {
  const { id, server, createdAt, startedAt, ranAt, durationMs, timeoutSeconds, state } = command;
  const waited = startedAt === null ? null : Math.max(0, startedAt.getTime() - createdAt.getTime());
  return (
    <section class="panel" aria-labelledby="facts-title">
      <h2 id="facts-title">Details</h2>
      <dl class="facts">
        <Fact name="Id">{id}</Fact>
        <Fact name="Server">{server}</Fact>
        <Fact name="Accepted">
          <Moment at={createdAt} />
          <span class="hint">
            <Age at={createdAt} now={now} /> ago
          </span>
        </Fact>
        {startedAt !== null && (
          <Fact name="Started">
            <Moment at={startedAt} />
            {waited !== null && (
              <span class="hint">
                after <Duration milliseconds={waited} />
              </span>
            )}
          </Fact>
        )}
        {ranAt !== null && (
          <Fact name="Ended">
            <Moment at={ranAt} />
          </Fact>
        )}
        <Fact name="Run time">
          {durationMs !== null && <Duration milliseconds={durationMs} />}
          {durationMs === null && state === 'running' && startedAt !== null && <Elapsed at={startedAt} now={now} />}
          {durationMs === null && state !== 'running' && <span class="hint">none</span>}
          <span class="hint">of {timeoutSeconds} s allowed</span>
        </Fact>
        {command.retryOf !== null && (
          <Fact name="Repeats">
            <a href={`/console/commands/${command.retryOf}`} class="mono">
              {command.retryOf.slice(0, 12)}…
            </a>
          </Fact>
        )}
        <Fact name="Key">
          <span class="mono">{command.createdBy}</span>
        </Fact>
        <Fact name="Owner">{command.owner}</Fact>
        {command.requestId !== null && (
          <Fact name="Request">
            <span class="mono">{command.requestId}</span>
          </Fact>
        )}
        <Fact name="Token">
          <span class="mono">{command.token}</span>
        </Fact>
      </dl>
    </section>
  );
}

function Fact({ name, children }: { name: string; children: Child }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
