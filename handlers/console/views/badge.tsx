import type { ServerState } from '../../../db/server-status.ts';
import type { CommandState } from '../../../lib/command.ts';
import { Icon, type IconName } from './icon.tsx';

type Look = { text: string; icon: IconName; tone: 'quiet' | 'active' | 'good' | 'bad' | 'doubtful' };

const commandLooks: Record<CommandState, Look> = {
  queued: { text: 'Queued', icon: 'dots', tone: 'quiet' },
  running: { text: 'Running', icon: 'ring', tone: 'active' },
  succeeded: { text: 'Succeeded', icon: 'check', tone: 'good' },
  failed: { text: 'Failed', icon: 'cross', tone: 'bad' },
  timed_out: { text: 'Timed out', icon: 'hourglass', tone: 'doubtful' },
  lost: { text: 'Lost', icon: 'question', tone: 'doubtful' },
  canceled: { text: 'Canceled', icon: 'dash', tone: 'quiet' },
};

const serverLooks: Record<ServerState, Look> = {
  idle: { text: 'Idle', icon: 'idle', tone: 'good' },
  busy: { text: 'Busy', icon: 'ring', tone: 'active' },
  blocked: { text: 'Blocked', icon: 'lock', tone: 'doubtful' },
  unreachable: { text: 'Unreachable', icon: 'unplugged', tone: 'bad' },
};

const deliveryLooks = {
  pending: { text: 'On its way', icon: 'clock', tone: 'active' },
  delivered: { text: 'Delivered', icon: 'check', tone: 'good' },
  dead: { text: 'Given up', icon: 'cross', tone: 'bad' },
} as const;

const keyLooks = {
  active: { text: 'Active', icon: 'check', tone: 'good' },
  expired: { text: 'Expired', icon: 'clock', tone: 'doubtful' },
  deleted: { text: 'Deleted', icon: 'dash', tone: 'quiet' },
} as const;

const noWorker: Look = { text: 'No worker', icon: 'warning', tone: 'bad' };

export function stateText(state: CommandState): string {
  return commandLooks[state].text;
}

export function CommandBadge({ state }: { state: CommandState }) {
  return <Badge {...commandLooks[state]} />;
}

/** @param isRun false where no live worker has the server, whatever its lease says */
export function ServerBadge({ state, isRun }: { state: ServerState; isRun: boolean }) {
  return <Badge {...(isRun ? serverLooks[state] : noWorker)} />;
}

export function DeliveryBadge({ state }: { state: keyof typeof deliveryLooks }) {
  return <Badge {...deliveryLooks[state]} />;
}

export function KeyBadge({ state }: { state: keyof typeof keyLooks }) {
  return <Badge {...keyLooks[state]} />;
}

function Badge({ text, icon, tone }: Look) {
  return (
    <span class={`badge tone-${tone}`}>
      <Icon name={icon} />
      {text}
    </span>
  );
}
