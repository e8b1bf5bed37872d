import { parseBracket } from './bracket-expression.ts';
import type { HostRoot } from './host-root.ts';

/**
 * Expands one unquoted word as bash does: to the paths that it matches, sorted, or to itself where it matches none.
 * Only `*`, `?` and `[…]` make a pattern; a backslash in one takes the next character as itself.
 */
export function expandPath(word: string, root: HostRoot): string[] {
  if (!/[*?[]/.test(word)) return [word];
  const start = word.startsWith('/') ? '/' : '';
  let found = [start];
  const components = word.split('/');
  components.forEach((component, index) => {
    const last = index === components.length - 1;
    // an empty component is a leading, a doubled or a trailing slash
    if (component === '') {
      if (last) found = found.filter((path) => root.isFolder(path));
      return;
    }
    const expression = patternExpression(component);
    found = found.flatMap((path) => {
      const names = expression === null ? [component.replaceAll(/\\(.)/gs, '$1')] : matching(path, expression, root);
      return names.map((name) => path + name).filter((candidate) => root.exists(candidate));
    });
    if (!last) found = found.filter((path) => root.isFolder(path)).map((path) => `${path}/`);
  });
  return found.length === 0 ? [word] : found.sort();
}

function matching(folder: string, expression: RegExp, root: HostRoot): string[] {
  return root.names(folder === '' ? '.' : folder).filter((name) => expression.test(name));
}

/** Returns null for a component without a pattern in it. A leading dot is matched by a dot alone. */
function patternExpression(component: string): RegExp | null {
  let source = '';
  let isPattern = false;
  let position = 0;
  while (position < component.length) {
    const character = component[position] ?? '';
    position += 1;
    if (character === '*' || character === '?') {
      isPattern = true;
      if (source === '') source = '(?!\\.)';
      if (character === '?') source += '[^]';
      else if (!source.endsWith('[^]*')) source += '[^]*';
      continue;
    }
    const bracket =
      character === '[' ? parseBracket(component, position - 1, { negators: '!^', backslash: 'escapes' }) : 'unclosed';
    if (typeof bracket !== 'string') {
      isPattern = true;
      if (source === '') source = '(?!\\.)';
      source += bracket.source;
      position = bracket.end;
      continue;
    }
    let single = character;
    if (character === '\\' && component[position] !== undefined) {
      single = component[position] ?? '';
      position += 1;
    }
    source += single.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  }
  return isPattern ? new RegExp(`^${source}$`) : null;
}
