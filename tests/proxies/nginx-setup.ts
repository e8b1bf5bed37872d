import { spawnSync } from 'node:child_process';

/** Ends the run with one line, before anything is started, where there is no nginx. */
export default function setup(): void {
  if (spawnSync('nginx', ['-v']).status === 0) return;
  process.stderr.write(
    'There is no nginx: install it (apt-get install nginx-light) and run npm run test:proxies again\n',
  );
  process.exit(1);
}
