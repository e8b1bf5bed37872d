import type { KeyRecord } from '../../../db/keys.ts';
import type { Session } from '../session.ts';
import { KeyBadge } from './badge.tsx';
import { Page } from './layout.tsx';
import { Age, Day } from './time.tsx';

type KeysPageProps = { session: Session; keys: readonly KeyRecord[]; usualRate: number; now: number };

export function KeysPage({ session, keys, usualRate, now }: KeysPageProps) {
  const inUse = keys.filter(({ deletedAt }) => deletedAt === null);
  const deleted = keys.filter(({ deletedAt }) => deletedAt !== null);
  return (
    <Page title="Keys" section="Keys" session={session} now={now}>
      <div class="page-head">
        <h1>Keys</h1>
      </div>
      <p class="hint lead">
        Secrets are not kept, so they cannot be shown. Keys are made and deleted on the host:{' '}
        <code>npm run -s keys:generate</code>, <code>npm run -s keys:delete</code>.
      </p>
      <KeyTable keys={inUse} label="Keys in use" own={session.key.publicId} usualRate={usualRate} now={now} />
      {deleted.length > 0 && (
        <details class="deleted-keys">
          <summary>
            {deleted.length} deleted {deleted.length === 1 ? 'key' : 'keys'}
          </summary>
          <KeyTable keys={deleted} label="Deleted keys" own={session.key.publicId} usualRate={usualRate} now={now} />
        </details>
      )}
    </Page>
  );
}

type KeyTableProps = { keys: readonly KeyRecord[]; label: string; own: string; usualRate: number; now: number };

function KeyTable({ keys, label, own, usualRate, now }: KeyTableProps) {
  return (
    <section class="table-scroll" aria-label={label} tabindex={0}>
      <table class="plain-table keys">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">State</th>
            <th scope="col">Role</th>
            <th scope="col">Owner</th>
            <th scope="col">May run</th>
            <th scope="col">Servers</th>
            <th scope="col" class="number">
              Rate
            </th>
            <th scope="col" class="number">
              Last used
            </th>
            <th scope="col" class="number">
              Made
            </th>
            <th scope="col" class="number">
              Expires
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr>
              <th scope="row">
                <span class="key-name">
                  {key.name ?? <span class="hint">unnamed</span>}
                  {key.publicId === own && <span class="tag">this session</span>}
                </span>
                <span class="mono hint">{key.publicId}</span>
                <span class="mono hint">API key {key.apiKey.slice(0, 8)}…</span>
              </th>
              <td data-label="State">
                <KeyBadge state={key.deletedAt !== null ? 'deleted' : key.expired ? 'expired' : 'active'} />
              </td>
              <td data-label="Role">{key.role}</td>
              <td data-label="Owner">{key.owner}</td>
              <td data-label="May run">
                <Rules rules={key.rules} role={key.role} allowRedirects={key.allowRedirects} />
              </td>
              <td data-label="Servers">
                {key.servers === null ? <span class="hint">all</span> : key.servers.join(', ')}
              </td>
              <td data-label="Rate" class="number nowrap">
                {(key.rateLimit ?? usualRate).toLocaleString('en')} / min
              </td>
              <td data-label="Last used" class="number nowrap">
                {key.lastUsedAt === null ? (
                  <span class="hint">never</span>
                ) : (
                  <span>
                    <Age at={key.lastUsedAt} now={now} /> ago
                  </span>
                )}
              </td>
              <td data-label="Made" class="number nowrap">
                <Day at={key.createdAt} />
              </td>
              <td data-label="Expires" class="number nowrap">
                {key.expiresAt === null ? <span class="hint">never</span> : <Day at={key.expiresAt} />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Rules({ rules, role, allowRedirects }: Pick<KeyRecord, 'rules' | 'role' | 'allowRedirects'>) {
  if (role === 'read' || role === 'metrics') return <span class="hint">nothing</span>;
  return (
    <>
      {rules === null ? (
        <span class="hint">everything</span>
      ) : (
        <ul class="rules">
          {rules.map((rule) => (
            <li class="mono">{rule}</li>
          ))}
        </ul>
      )}
      {allowRedirects && <span class="tag">may redirect to files</span>}
    </>
  );
}
