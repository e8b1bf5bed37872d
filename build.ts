/**
 * `npm run build`: makes `dist`, where the programs have the paths that they have in the sources. Each is bundled with
 * the libraries that it uses, since reading some hundred files of theirs took longer than the rest of a start.
 *
 *   tsx build.ts [folder, in place of dist, and other programs]
 */
import { cpSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const [out = 'dist', ...others] = process.argv.slice(2);

rmSync(out, { recursive: true, force: true });
await build({
  entryPoints: [
    'handlers/server.ts',
    'handlers/cli/doctor.ts',
    'handlers/cli/keys.ts',
    'handlers/cli/start.ts',
    'worker/main.ts',
    'db/migrate.ts',
    'lib/local/stand-in/main.ts',
    ...others,
  ],
  outbase: '.',
  outdir: out,
  bundle: true,
  // What several programs use, or one of them later on, is a file of its own.
  splitting: true,
  chunkNames: 'shared/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  sourcemap: true,
  // Asked for by pg where a setting says so, which none of ours does.
  external: ['pg-native'],
  // Libraries in the older form of modules ask for Node's own by `require`.
  banner: {
    js: "import { createRequire as createRequireHere } from 'node:module';\nconst require = createRequireHere(import.meta.url);",
  },
  logLevel: 'warning',
});
for (const folder of ['db/migrations', 'handlers/console/static'])
  cpSync(folder, `${out}/${folder}`, { recursive: true });
