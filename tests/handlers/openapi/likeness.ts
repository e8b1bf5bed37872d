/** What differs from one answer to the next, by the field's name, and the form that it always has. */
const forms: Record<string, RegExp> = {
  id: /^[\w-]+$/,
  version: /^\d+(\.\d+)*$/,
  token: /^[0-9a-f]{64}$/,
  retry_of: /^[0-9a-f]{64}$/,
  created_by: /^key_[A-Za-z0-9_-]+$/,
  webhook_id: /^msg_[A-Za-z0-9_-]+$/,
  request_id: /^[A-Za-z0-9._-]{1,128}$/,
  host: /^[^\s]+$/,
  duration_ms: /^\d+$/,
  oldest_queued_seconds: /^\d+(\.\d+)?$/,
  running_seconds: /^\d+(\.\d+)?$/,
};
const times = ['created_at', 'ran_at', 'started_at', 'at', 'next_attempt_at', 'since'];
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;

/**
 * Puts the form in the place of what differs, so that an example and an answer can be compared.
 * @throws Error where it does not have that form
 */
export function likeness(value: unknown, name = ''): unknown {
  const form = times.includes(name) ? time : forms[name];
  if (value !== null && form !== undefined && typeof value !== 'object') {
    if (!form.test(String(value))) throw new Error(`${name} is ${value}, not ${form}`);
    return `<${name}>`;
  }
  if (Array.isArray(value)) return value.map((item) => likeness(item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, likeness(part, key)]));
  }
  return value;
}

/** The same for a text of Server-Sent Events. */
export function eventLikeness(text: string): unknown {
  return text.split('\n').map((line) => {
    if (line.startsWith('data: ')) return likeness(JSON.parse(line.slice(6)));
    return /^id: \d+$/.test(line) ? '<id>' : line;
  });
}
