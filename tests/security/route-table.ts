/** What each route asks of who calls it. A route that is not here is one that nobody has thought about. */
import type { Permission } from '../../lib/key.ts';

export type RouteCase = {
  /** `open`: anybody may; `session`: only who is signed in to the console; else what the key's role must permit. */
  access: 'open' | 'session' | Permission;
  /** Whether it changes something, whatever its method. */
  changes?: true;
  /** The state of the command that it is asked about, where its path names one. */
  of?: 'queued' | 'final';
  /** Whether it is refused to a key for whose servers the command is not. */
  needsServer?: true;
  /** Whether it is refused to a key none of whose rules matches the command. */
  needsRule?: true;
  /** The status that a key has which may do it. */
  succeeds: number;
};

const command = 'apps:list';

export const routeTable: Record<string, RouteCase> = {
  'GET /healthz': { access: 'open', succeeds: 200 },
  'GET /readyz': { access: 'open', succeeds: 200 },
  'GET /openapi.json': { access: 'open', succeeds: 200 },
  'GET /docs': { access: 'open', succeeds: 200 },

  'GET /commands': { access: 'read', succeeds: 200 },
  'POST /commands': { access: 'run', changes: true, needsServer: true, needsRule: true, succeeds: 202 },
  'GET /commands/:token': { access: 'read', of: 'final', succeeds: 200 },
  'DELETE /commands/:token': { access: 'run', changes: true, of: 'queued', needsServer: true, succeeds: 200 },
  'GET /commands/:token/events': { access: 'read', of: 'final', succeeds: 200 },
  'POST /commands/:token/retry': {
    access: 'run',
    changes: true,
    of: 'final',
    needsServer: true,
    needsRule: true,
    succeeds: 202,
  },
  'GET /commands/:token/retry': {
    access: 'run',
    changes: true,
    of: 'final',
    needsServer: true,
    needsRule: true,
    succeeds: 202,
  },
  'GET /commands/:token/deliveries': { access: 'read', of: 'final', succeeds: 200 },
  'POST /commands/:token/deliveries': { access: 'run', changes: true, of: 'final', succeeds: 202 },
  'GET /events': { access: 'read', succeeds: 200 },
  'GET /servers': { access: 'read', succeeds: 200 },
  'GET /metrics': { access: 'metrics', succeeds: 200 },

  'GET /console/static/:version/:file': { access: 'open', succeeds: 200 },
  'GET /console/sign-in': { access: 'open', succeeds: 200 },
  'POST /console/sign-in': { access: 'open', changes: true, succeeds: 303 },
  'GET /console': { access: 'session', succeeds: 200 },
  'GET /console/events': { access: 'session', succeeds: 200 },
  'GET /console/run': { access: 'session', succeeds: 200 },
  'GET /console/commands/:token': { access: 'session', of: 'final', succeeds: 200 },
  'GET /console/commands/:token/events': { access: 'session', of: 'queued', succeeds: 200 },
  'GET /console/commands/:token/output': { access: 'session', of: 'final', succeeds: 200 },
  'GET /console/servers': { access: 'session', succeeds: 200 },
  'GET /console/keys': { access: 'session', succeeds: 200 },
  'POST /console/commands': { access: 'session', changes: true, succeeds: 303 },
  'POST /console/commands/:token/retry': { access: 'session', changes: true, of: 'final', succeeds: 303 },
  'POST /console/commands/:token/cancel': { access: 'session', changes: true, of: 'queued', succeeds: 303 },
  'POST /console/commands/:token/resend': { access: 'session', changes: true, of: 'final', succeeds: 303 },
  'POST /console/sign-out': { access: 'session', changes: true, succeeds: 303 },
};

/** The method, the path for a token, and the body that goes with it. */
export function requestOf(route: string, token: string, server: string) {
  const [method = '', pattern = ''] = route.split(' ');
  return {
    method,
    path: pattern.replace(':token', token),
    ...(route === 'POST /commands' ? { body: JSON.stringify({ cmd: command, server }) } : {}),
  };
}
