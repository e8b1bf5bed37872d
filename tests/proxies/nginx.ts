import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { freePort, waitFor } from '../support/process.ts';
import { send } from '../support/send.ts';

/** Directives of a location, beside `proxy_pass`. */
export interface NginxLocation {
  /** Port of 127.0.0.1. */
  upstream: number;
  directives?: readonly string[];
}

/** What Dokku's own template says of a proxied app, as far as it bears on how answers pass. */
export const likeDokku = [
  'gzip on;',
  'gzip_min_length 1100;',
  'gzip_types text/css text/javascript text/xml text/plain application/javascript application/json application/xml;',
  'gzip_proxied any;',
  'proxy_http_version 1.1;',
  'proxy_connect_timeout 60s;',
  'proxy_read_timeout 60s;',
  'proxy_send_timeout 60s;',
  'proxy_buffer_size 4k;',
  'proxy_buffering on;',
  'proxy_buffers 8 4k;',
  'proxy_busy_buffers_size 8k;',
  'proxy_set_header Upgrade $http_upgrade;',
  'proxy_set_header Connection "";',
  'proxy_set_header Host $http_host;',
  'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
  'proxy_set_header X-Forwarded-Proto $scheme;',
];

const stops: (() => Promise<void>)[] = [];

afterAll(async () => {
  for (const stop of stops) await stop();
});

/**
 * Starts an nginx that has a server for each location; it ends after the test file.
 * @returns the servers' URLs, in the order of the locations
 */
export async function startNginx(locations: readonly NginxLocation[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  const ports: number[] = [];
  for (const _ of locations) ports.push(await freePort());
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(folder, name));
  const servers = locations.map(({ upstream, directives = [] }, index) => {
    return `server {
      listen 127.0.0.1:${ports[index]};
      location / { proxy_pass http://127.0.0.1:${upstream}; ${directives.join(' ')} }
    }`;
  });
  const configuration = join(folder, 'nginx.conf');
  writeFileSync(
    configuration,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr;
    events { worker_connections 256; }
    http {
      access_log off;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      ${servers.join('\n')}
    }`,
  );
  const nginx = spawn('nginx', ['-c', configuration, '-p', folder], { stdio: ['ignore', 'ignore', 'pipe'] });
  let printed = '';
  nginx.stderr.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const exit = once(nginx, 'exit');
  stops.push(async () => {
    nginx.kill('SIGTERM');
    await exit;
    rmSync(folder, { recursive: true, force: true });
  });
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  await waitFor(async () => (await send(urls[0] ?? '', { path: '/healthz' })).status === 200, {
    describe: () => `nginx to pass a request on; it printed:\n${printed}`,
  });
  return urls;
}
