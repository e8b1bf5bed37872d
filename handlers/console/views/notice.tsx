import type { PropsWithChildren } from 'hono/jsx';
import { Icon, type IconName } from './icon.tsx';

type Tone = 'info' | 'good' | 'warning' | 'bad';

const icons: Record<Tone, IconName> = { info: 'info', good: 'check', warning: 'warning', bad: 'cross' };

/** A line or two that wants to be read. `role` alert is for what just went wrong. */
export function Notice({ tone, role, children }: PropsWithChildren<{ tone: Tone; role?: 'alert' | 'status' }>) {
  return (
    <div class={`notice notice-${tone}`} role={role}>
      <Icon name={icons[tone]} />
      <div>{children}</div>
    </div>
  );
}
