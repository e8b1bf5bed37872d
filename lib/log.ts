import { pino, stdTimeFunctions } from 'pino';

/**
 * One JSON line on stdout per thing that happened. Command lines and outputs may hold passwords:
 * a command is named by its token only.
 */
export type Log = Pick<ReturnType<typeof createLog>, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

/** @param level the least severe level that is written, by pino's names */
export function createLog(process: 'web' | 'worker', level: string) {
  return pino({
    level,
    base: { process },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
