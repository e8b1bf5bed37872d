import { pino, stdTimeFunctions } from 'pino';

/**
 * One JSON line on stdout per thing that happened. Command lines and outputs may hold passwords:
 * a command is named by its token only.
 */
export type Log = Pick<ReturnType<typeof createLog>, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

/** @param level the least severe level that is written, by pino's names */
export function createLog(process: 'web' | 'worker', level: string) {
  return pino(
    {
      level,
      base: { process },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: loggableError },
    },
    // To write a line takes less than to hand it to a thread that writes it, and a process that is killed has said it.
    pino.destination({ sync: true }),
  );
}

/** What an error and its causes may say in the log. */
export type LoggableError = { type: string; message?: string; code?: unknown; at?: string[]; cause?: LoggableError };

/** Takes name, code and place, and the message where it cannot quote a command line, an output or a secret. */
export function loggableError(error: unknown): LoggableError {
  if (!(error instanceof Error)) return { type: typeof error };
  // A line of the message could look like a place.
  const [, places = ''] = (error.stack ?? '').split(`${error.message}\n`);
  const at = places.split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: error.name,
    ...(quotesValues(error) ? {} : { message: error.message }),
    ...('code' in error ? { code: error.code } : {}),
    at: at.map((line) => line.trim()),
    ...(error.cause === undefined ? {} : { cause: loggableError(error.cause) }),
  };
}

/** Drizzle repeats a statement's parameters, Postgres the value at fault, and JavaScript the text that is no JSON. */
function quotesValues(error: Error): boolean {
  return 'params' in error || 'severity' in error || error instanceof SyntaxError;
}
