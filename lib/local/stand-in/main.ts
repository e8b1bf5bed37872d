/**
 * The stand-in daemon: a process that behaves on its Unix socket as dokku-daemon 0.0.2 does, with a make-believe Dokku
 * behind it. For trying the API without a Dokku host, and for the tests, which switch faults on over `--control`.
 *
 * 1. Read the flags.
 * 2. Load the state; listen on the control socket, then on the daemon's socket.
 * 3. Print one line: ready.
 * 4. On SIGTERM or SIGINT (or the end of standard input, with --end-with-stdin): remove the socket file and end.
 */
import { type Flags, readFlags, USAGE } from './flags.ts';
import { StandIn } from './stand-in.ts';

function flagsOrExit(): Flags {
  try {
    return readFlags(process.argv.slice(2));
  } catch (error) {
    console.error(`stand-in daemon: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(1);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${describe(error.cause)})`;
}

const flags = flagsOrExit();
try {
  const standIn = new StandIn(flags, { now: () => new Date(), monotonic: () => process.hrtime.bigint() });
  await standIn.start();
  const stop = (): void => {
    standIn.stop();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (flags.endWithStdin) process.stdin.once('end', stop).resume();
  console.log(`stand-in daemon: listening on ${flags.socket}`);
} catch (error) {
  console.error(`stand-in daemon: cannot start: ${describe(error)}`);
  process.exit(1);
}
