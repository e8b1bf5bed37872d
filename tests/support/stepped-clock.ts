import type { TestProcess } from './process.ts';
import { waitFor } from './process.ts';

const hourMs = 3_600_000;

/**
 * Runs in the process, before anything else: its wall clock is the system's plus a step, which signals change. Its
 * monotonic clock, and its timers, are left alone, as they are by whoever sets the time of a machine.
 */
function putStepIntoDate(stepMs: number): void {
  const SystemDate = Date;
  let step = 0;
  const now = () => SystemDate.now() + step;
  const stepBy = (ms: number) => {
    step += ms;
    process.stdout.write(`${JSON.stringify({ msg: 'clock stepped', step })}\n`);
  };
  process.on('SIGUSR2', () => stepBy(stepMs));
  process.on('SIGHUP', () => stepBy(-stepMs));
  globalThis.Date = new Proxy(SystemDate, {
    construct: (target, given, made) => Reflect.construct(target, given.length > 0 ? given : [now()], made),
    apply: () => new SystemDate(now()).toString(),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
}

/** The environment of a process whose wall clock can be stepped. */
export const steppableClock = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`(${putStepIntoDate})(${hourMs})`)}`,
};

/** Steps the wall clock of a process by hours, and returns when it is done. */
export async function stepClock(stepped: TestProcess, hours: number): Promise<void> {
  const steps = () => stepped.entries().filter(({ msg }) => msg === 'clock stepped');
  for (let count = 0; count < Math.abs(hours); count++) {
    const before = steps().length;
    stepped.signal(hours > 0 ? 'SIGUSR2' : 'SIGHUP');
    await waitFor(() => steps().length > before, { describe: 'the clock to be stepped' });
  }
}
