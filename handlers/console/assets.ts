import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError } from '../../lib/errors.ts';
import { ownFile } from '../../lib/package.ts';
import { factory } from '../factory.ts';

const script = 'text/javascript; charset=utf-8';
const styleSheet = 'text/css; charset=utf-8';

const types = {
  'style.css': styleSheet,
  'controls.css': styleSheet,
  'signs.css': styleSheet,
  'list.css': styleSheet,
  'tables.css': styleSheet,
  'command.css': styleSheet,
  'output.css': styleSheet,
  'console.js': script,
  'age.js': script,
  'clock.js': script,
  'event-stream.js': script,
  'live-list.js': script,
  'live-page.js': script,
  'page.js': script,
  'troubles.js': script,
  'icon.svg': 'image/svg+xml',
};

type AssetName = keyof typeof types;

const folder = ownFile('handlers/console/static');
const contents = new Map((Object.keys(types) as AssetName[]).map((name) => [name, readFileSync(join(folder, name))]));
/** Of all of them, since the scripts import each other by relative paths. */
const version = [...contents.values()]
  .reduce((hash, content) => hash.update(content), createHash('sha256'))
  .digest('hex')
  .slice(0, 16);

/** Where a page finds a static file; another path for other contents, so that browsers keep it for good. */
export function assetPath(name: AssetName): string {
  return `/console/static/${version}/${name}`;
}

/** GET /console/static/:version/:file. A page of another version gets what there is: old and new overlap at a deploy. */
export const getAsset = factory.createHandlers((context) => {
  const name = context.req.param('file') as AssetName;
  const content = contents.get(name);
  if (content === undefined) throw new ApiError('not_found', 'No page of the console has such a file.');
  const isCurrent = context.req.param('version') === version;
  context.header('Cache-Control', isCurrent ? 'public, max-age=31536000, immutable' : 'no-cache');
  return context.body(new Uint8Array(content), 200, { 'Content-Type': types[name] });
});
