import type { TextEnds } from '../../../db/command-view.ts';
import { type ShownText, shownText } from '../shown-text.ts';
import { terminalText } from '../terminal-text.ts';

type TerminalOutputProps = { text: TextEnds; label: string; rawPath: string };

/** What a command printed, as a terminal would show it; of a long text the two ends. */
export function TerminalOutput({ text, label, rawPath }: TerminalOutputProps) {
  const shown = shownText(text);
  return (
    <div class="output">
      <div class="output-bar">
        <span class="output-size number">{formatBytes(text.bytes)}</span>
        <span class="output-tools">
          <label class="toggle">
            <input type="checkbox" class="wrap-lines" />
            Wrap lines
          </label>
          <a href={rawPath}>Raw text</a>
        </span>
      </div>
      {text.bytes === 0 ? (
        <p class="output-none">Dokku printed nothing.</p>
      ) : (
        <section class="output-text" aria-label={label} tabindex={0}>
          <pre>
            <Runs shown={shown} rawPath={rawPath} />
          </pre>
        </section>
      )}
    </div>
  );
}

function Runs({ shown, rawPath }: { shown: ShownText; rawPath: string }) {
  if ('whole' in shown) return <Styled text={shown.whole} />;
  return (
    <>
      <Styled text={shown.head} />
      <span class="output-gap">
        {formatBytes(shown.hiddenBytes)} in between are not shown. <a href={rawPath}>Open the raw text</a>
      </span>
      <Styled text={shown.tail} />
    </>
  );
}

function Styled({ text }: { text: string }) {
  return (
    <>
      {terminalText(text).map(({ text: part, classes }) =>
        classes === '' ? part : <span class={classes}>{part}</span>,
      )}
    </>
  );
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
