/** What `make` makes: when it is first asked for, and the same from then on. No start waits for it. */
export function onFirstUse<Made>(make: () => Made): () => Made {
  let made: { value: Made } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
