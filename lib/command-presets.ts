export type RulePreset = 'deploy';

/**
 * Rules for one app, to be given to a key.
 *
 * `deploy` is what a CI job or the app's developer needs. What it leaves out, it leaves out because it reaches past the
 * app: subcommands whose first argument is no app (`domains:add-global`); `certs:add` and local repositories, which read
 * files of the host by name; free text for `logs --num`, which Dokku puts into a shell; `storage:mount`,
 * `docker-options:*`, `plugin:*`, `run`.
 *
 * @throws Error where `app` is no name that Dokku gives to apps.
 */
export function presetRules(preset: RulePreset, app: string): string[] {
  // Stricter than Dokku's ^[a-z0-9][^/:_A-Z]*$, which lets through blanks, wildcards and what means something to a shell.
  if (!/^[a-z0-9][a-z0-9.-]{0,127}$/.test(app)) {
    throw new Error(
      'The app is not named as Dokku names apps: give lower-case letters, digits, dots and dashes, the first a letter or digit, 128 at most.',
    );
  }
  switch (preset) {
    case 'deploy':
      return deployRules(app);
  }
}

function deployRules(app: string): string[] {
  const restartOptions = ['', '--no-restart '];
  const setOptions = [...restartOptions, '--encoded ', '--encoded --no-restart ', '--no-restart --encoded '];
  const buildOptions = ['', '--build ', '--build-if-changes '];
  return [
    `*:report ${app}`,
    `*:report ${app} --format json`,
    ...setOptions.map((option) => `config:set ${option}${app} **`),
    ...restartOptions.map((option) => `config:unset ${option}${app} **`),
    ...restartOptions.map((option) => `config:clear ${option}${app}`),
    `config:get ${app} *`,
    `config:show ${app}`,
    `config:keys ${app}`,
    `config:export ${app}`,
    `config:export --format json ${app}`,
    ...['inspect', 'rebuild', 'restart', 'scale', 'start', 'stop'].map((action) => `ps:${action} ${app}`),
    `ps:restart ${app} *`,
    `ps:scale ${app} **`,
    `logs ${app}`,
    ...[10, 100, 1000].map((lines) => `logs ${app} --num ${lines}`),
    `logs:failed ${app}`,
    ...['clear', 'disable', 'enable', 'reset'].map((action) => `domains:${action} ${app}`),
    ...['add', 'remove', 'set'].map((action) => `domains:${action} ${app} **`),
    `certs:remove ${app}`,
    `certs:show ${app} crt`,
    ...['disable', 'enable', 'run', 'skip'].flatMap((action) => [
      `checks:${action} ${app}`,
      `checks:${action} ${app} *`,
    ]),
    `git:from-image ${app} *`,
    ...buildOptions.flatMap((option) =>
      ['https://*', 'git@*:*'].flatMap((repository) => [
        `git:sync ${option}${app} ${repository}`,
        `git:sync ${option}${app} ${repository} *`,
      ]),
    ),
  ];
}
