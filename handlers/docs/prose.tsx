/** Text with `code` between backquotes, as the document has it. */
export function Words({ text }: { text: string }) {
  const parts = text.split('`');
  return <>{parts.map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</>;
}

/** Paragraphs of such text. */
export function Prose({ text }: { text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <>
      {text.split('\n\n').map((paragraph) => (
        <p>
          <Words text={paragraph} />
        </p>
      ))}
    </>
  );
}
