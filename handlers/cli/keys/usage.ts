export const keyActions = ['generate', 'list', 'delete', 'rotate', 'explain'] as const;
export type KeyAction = (typeof keyActions)[number];

/** Asked for in a way that cannot be understood. The message is one line that says what to write instead. */
export class UsageError extends Error {
  override name = 'UsageError';
}

const surroundings = 'Needs DATABASE_URL and SECRET_KEY. Ends with 0 when done, 1 when not, 2 when asked wrongly.';

const texts: Record<KeyAction, string> = {
  generate: `Makes a key, and shows its secret and its signing secret this once.

  npm run -s keys:generate -- [options]

  --name NAME         what the key is for, shown by keys:list
  --role ROLE         metrics (only /metrics), read (reading only), run (default: also runs what its rules allow),
                      admin (everything, every owner's commands)
  --owner OWNER       it sees the commands of its owner's keys (default: default)
  --rule RULE         a command line that it may run, word by word; may be given again.
                      * is any one word or part of one (apps:*), ** at the end any rest. Words that begin with -
                      have to be written out. Without rules every command may be run: that is root of the host
  --preset deploy     rules for deploying and looking after an app, with
  --app APP           the app; may be given again
  --server SERVER     a server that it may use; may be given again (default: all)
  --rate NUMBER       requests a minute (default: RATE_LIMIT)
  --expires TIME      from now, such as 90d, 12h, 30m (default: never)
  --allow-redirects   lets the daemon write and read any file of the host, by > and < in commands

  npm run -s keys:generate -- --name ci --preset deploy --app shop --expires 90d
  npm run -s keys:generate -- --name status --role read --rate 60
  npm run -s keys:generate -- --rule 'ps:restart shop' --rule '*:report shop'`,

  list: `Shows every key, deleted ones included. Secrets are never shown: only their hashes are kept.

  npm run -s keys:list
  npm run -s keys:list -- --rules   with the rules of each key

Signing secrets that an old SECRET_KEY sealed are sealed again with the first of SECRET_KEY=new,old: once this says
that it did so, the old one can be taken away.`,

  delete: `Deletes a key: it works no more from then on. It stays in the list, for the record.

  npm run -s keys:delete <api key>`,

  rotate: `Gives a key a new secret. The one until now works on for a while; one from before that ends at once. The signing
secret of callbacks stays, unless it is asked for: nobody has seen that of a key from the Ruby dokku-api.

  npm run -s keys:rotate <api key>
  npm run -s keys:rotate -- <api key> --grace TIME
  npm run -s keys:rotate -- <api key> --signing-secret

  --grace TIME       how long the old secret works on, such as 24h (default), 30m or 0
  --signing-secret   gives it a new signing secret instead, for every callback sent from now on; the API secret stays`,

  explain: `Says whether a key may run a command, and by which rule, or why not. Nothing is run. Ends with 0 if it may.

  npm run -s keys:explain <api key> 'ps:restart shop'
  npm run -s keys:explain <api key> -    reads the command from standard input, out of sight of the process list`,
};

export function usage(action: KeyAction): string {
  return `${texts[action]}\n\n${surroundings}`;
}
