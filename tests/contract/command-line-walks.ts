/** The rows of *What `cmd` may be*. */
import { expect } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import type { Scene } from './scene.ts';
import type { Walk, Walks } from './walk.ts';

/** Each is refused with the row's code, and nothing of it is stored or told back. */
function refused(lines: readonly string[], hint?: RegExp): Walk {
  return async (check, scene, { name }) => {
    const code = name.replaceAll('`', '');
    const stored = await commandsOf(scene);
    for (const cmd of lines) {
      const answer = await scene.post('/commands', { cmd });
      check.status(answer, 422);
      check.headers(answer, { 'content-type': 'application/json', location: null });
      check.body(JSON.parse(answer.body), {
        status: 'error',
        code: 'invalid_parameters',
        messages: [expect.stringMatching(/^cmd /)],
        errors: [{ field: 'cmd', code, detail: expect.stringMatching(hint ?? /./) }],
      });
      if (cmd.length > 3) expect(answer.body).not.toContain(JSON.stringify(cmd).slice(1, -1));
    }
    check.body(await commandsOf(scene), stored);
  };
}

const commandsOf = async (scene: Scene) =>
  (JSON.parse((await scene.send('GET', '/commands')).body) as WireCommand[]).length;

export const commandLineWalks: Walks = {
  '`blank`': refused(['', ' ', '\t \t']),
  '`control_character`': refused(
    ['apps:list\napps:destroy api', 'apps:list\r', 'a\u0000b', 'a\u001b[1m', 'a\u007f', 'a\u0085'],
    /--encoded/,
  ),
  '`redirect_refused`': async (check, scene, row) => {
    await refused(['apps:list > /any', 'x < /any', 'apps:list 2>> /any', 'a>b c'], /--allow-redirects/)(
      check,
      scene,
      row,
    );
    const allowed = await scene.credentials({ allowRedirects: true });
    check.status(await scene.post('/commands', { cmd: 'apps:list > /tmp/apps' }, allowed), 202);
  },
  '`glob_refused`': async (check, scene, row) => {
    const lines = ['apps:report /etc/*', 'apps:report ./?', 'apps:report a\\*', 'apps:report d*', 'apps:report [d]*'];
    const whole = ['apps:report *', 'apps:report dokku-daemon.soc?', 'apps:report *daemon*/x'];
    await refused([...lines, ...whole], /--encoded/)(check, scene, row);
    const allowed = await scene.credentials({ allowRedirects: true });
    check.status(await scene.post('/commands', { cmd: 'apps:report *' }, allowed), 422);
    check.status(await scene.post('/commands', { cmd: 'domains:add api *.example.com' }), 202);
  },
  '`never_ends`': refused(
    [
      'logs api --tail',
      'logs api -t',
      'logs api --follow=true',
      'logs -qt api',
      'events -f',
      'postgres:logs db -t',
      'nginx:access-logs api -t',
    ],
    /--num/,
  ),
};
