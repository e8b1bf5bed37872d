/** Characters that turn the order of others around: with them a command line could be shown as another one. */
const reordering = /[\u202A-\u202E\u2066-\u2069]/g;

/** A command line as text, apart from the direction of what stands beside it. */
export function CommandLine({ text }: { text: string }) {
  return <bdi dir="ltr">{text.replace(reordering, (character) => `[${codePoint(character)}]`)}</bdi>;
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
