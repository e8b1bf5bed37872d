import { Brand, Document } from './layout.tsx';
import { Notice } from './notice.tsx';

export type SignInProblem = 'refused' | 'not admin' | 'too many' | 'ended';

const problems: Record<SignInProblem, string> = {
  refused: 'These are not the credentials of a key in use. Check both values, or make a new admin key.',
  'not admin': 'This key works, but its role is not admin. The console shows every owner’s commands, so it needs one.',
  'too many': 'Many wrong credentials came from your address. Wait a minute, then try again.',
  ended: 'Your session has ended. Sign in again to go on where you were.',
};

type SignInPageProps = {
  problem?: SignInProblem | undefined;
  /** The page that was asked for. */
  next: string;
  apiKey?: string;
  reloadAt?: string | undefined;
  now: number;
};

export function SignInPage({ problem, next, apiKey, reloadAt, now }: SignInPageProps) {
  const isRefusal = problem !== undefined && problem !== 'ended';
  return (
    <Document title="Sign in" reloadAt={reloadAt} now={now}>
      <main id="content" class="sign-in">
        <div class="sign-in-brand">
          <Brand />
        </div>
        <form class="card" method="post" action="/console/sign-in">
          <h1>Sign in to the console</h1>
          {problem !== undefined && (
            <div id="problem">
              <Notice tone={isRefusal ? 'bad' : 'info'} role="alert">
                {problems[problem]}
              </Notice>
            </div>
          )}
          <input type="hidden" name="next" value={next} />
          <label class="field">
            <span>API key</span>
            <input
              name="api_key"
              value={apiKey}
              class="mono"
              autocomplete="username"
              autocapitalize="none"
              spellcheck={false}
              required
              autofocus
              aria-invalid={isRefusal ? 'true' : undefined}
              aria-describedby={problem === undefined ? undefined : 'problem'}
            />
          </label>
          <label class="field">
            <span>API secret</span>
            <input
              name="api_secret"
              type="password"
              class="mono"
              autocomplete="current-password"
              required
              aria-invalid={isRefusal ? 'true' : undefined}
            />
          </label>
          <button class="button primary wide-button" type="submit">
            Sign in
          </button>
        </form>
        <p class="hint">
          Needs a key of the role admin. Make one on the host of dokku-api:{' '}
          <code>npm run -s keys:generate -- --role admin</code>
        </p>
      </main>
    </Document>
  );
}
