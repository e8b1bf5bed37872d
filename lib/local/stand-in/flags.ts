import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface Flags {
  socket: string;
  state: string;
  log: string | null;
  control: string | null;
  connectMs: number;
  commandMs: number;
  endWithStdin: boolean;
}

export const USAGE = `Usage: stand-in daemon --socket PATH [options]

  --socket PATH       the Unix socket to answer on, as dokku-daemon does
  --state FOLDER      where apps and the host's files are kept (default: .stand-in beside the socket)
  --log FILE          JSON lines of what it does
  --control PATH      a second Unix socket, for the fault switches
  --connect-ms N      from a connection to its first request being read (default 6)
  --command-ms N      how long a dokku command takes (default 12)
  --end-with-stdin    end when standard input ends: so it never outlives the process that started it`;

function milliseconds(name: string, value: string): number {
  if (!/^\d{1,7}$/.test(value)) throw new Error(`--${name} is a whole number of milliseconds; it was "${value}"`);
  return Number(value);
}

/** Reads the command line. Throws, with what is expected, on a flag that is unknown, missing or malformed. */
export function readFlags(args: string[]): Flags {
  const { values } = parseArgs({
    args,
    options: {
      socket: { type: 'string' },
      state: { type: 'string' },
      log: { type: 'string' },
      control: { type: 'string' },
      'connect-ms': { type: 'string', default: '6' },
      'command-ms': { type: 'string', default: '12' },
      'end-with-stdin': { type: 'boolean', default: false },
    },
  });
  if (!values.socket) throw new Error('--socket PATH is needed');
  const socket = resolve(values.socket);
  return {
    socket,
    state: resolve(values.state ?? join(dirname(socket), '.stand-in')),
    log: values.log === undefined ? null : resolve(values.log),
    control: values.control === undefined ? null : resolve(values.control),
    connectMs: milliseconds('connect-ms', values['connect-ms']),
    commandMs: milliseconds('command-ms', values['command-ms']),
    endWithStdin: values['end-with-stdin'],
  };
}
