import type { AttemptRow, DeliveryRow } from '../../../db/deliveries.ts';
import type { Session } from '../session.ts';
import { DeliveryBadge } from './badge.tsx';
import { CallbackResult } from './callback-result.tsx';
import { FormToken, SentOnce } from './form-token.tsx';
import { Icon } from './icon.tsx';
import { Duration, Moment } from './time.tsx';

type DeliveriesProps = {
  token: string;
  callbackUrl: string;
  found: { delivery: DeliveryRow; attempts: readonly AttemptRow[] } | null;
  session: Session;
  now: number;
};

/** So many attempts are shown, the last ones. */
const attemptsAtMost = 50;

/** The callback of a command: how it stands, what was tried, and a button to send it again. */
export function Deliveries({ token, callbackUrl, found, session, now }: DeliveriesProps) {
  return (
    <section class="panel" aria-labelledby="callback-title">
      <div class="panel-head">
        <h2 id="callback-title">Callback</h2>
        {found !== null && <DeliveryBadge state={found.delivery.state} />}
      </div>
      <p class="callback-url">
        <bdi>{callbackUrl}</bdi>
      </p>
      {found === null ? (
        <p class="hint">It is sent once the command has ended.</p>
      ) : (
        <>
          <NextAttempt delivery={found.delivery} now={now} />
          <Attempts attempts={found.attempts} />
          <form method="post" action={`/console/commands/${token}/resend`}>
            <FormToken session={session} />
            <SentOnce />
            <button class="button" type="submit" id="resend">
              <Icon name="send" />
              Send again now
            </button>
          </form>
        </>
      )}
    </section>
  );
}

function NextAttempt({ delivery: { state, nextAt }, now }: { delivery: DeliveryRow; now: number }) {
  if (state !== 'pending' || nextAt === null) return null;
  return (
    <p class="hint">
      {nextAt.getTime() <= now ? (
        'Sent at any moment.'
      ) : (
        <>
          Next attempt at <Moment at={nextAt} />.
        </>
      )}
    </p>
  );
}

function Attempts({ attempts }: { attempts: readonly AttemptRow[] }) {
  if (attempts.length === 0) return <p class="hint">Nothing was tried yet.</p>;
  return (
    <section class="table-scroll" aria-label="Attempts" tabindex={0}>
      <table class="plain-table attempts">
        <thead>
          <tr>
            <th scope="col" class="number">
              No.
            </th>
            <th scope="col">Result</th>
            <th scope="col" class="number at-wide">
              Took
            </th>
            <th scope="col" class="at-wide">
              At
            </th>
          </tr>
        </thead>
        <tbody>
          {attempts
            .slice(-attemptsAtMost)
            .reverse()
            .map(({ number, status, error, durationMs, at }) => (
              <tr>
                <td class="number">{number}</td>
                <td>
                  <CallbackResult attempt={{ status, error }} />
                  <span class="at-narrow">
                    <Moment at={at} />
                  </span>
                </td>
                <td class="number at-wide">
                  <Duration milliseconds={durationMs} />
                </td>
                <td class="nowrap at-wide">
                  <Moment at={at} />
                </td>
              </tr>
            ))}
        </tbody>
      </table>
    </section>
  );
}
