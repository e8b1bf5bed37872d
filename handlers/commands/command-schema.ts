/** The command object as a schema, for the document that clients are generated from. */
import * as v from 'valibot';
import { commandReasons, commandStates, type WireCommand } from '../../lib/command.ts';

const time = v.pipe(
  v.string(),
  v.description('UTC, in whole seconds.'),
  v.metadata({ examples: ['2017-03-15T15:13:45+00:00'] }),
);
const token = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const resultData = v.object({ ok: v.boolean(), output: v.string() });
const described = <Schema extends v.GenericSchema>(schema: Schema, text: string) => v.pipe(schema, v.description(text));

/** Does not compile where it differs from what is sent. */
export const commandSchema = v.pipe(
  v.object({
    id: v.pipe(v.number(), v.integer(), v.description('Ascending in the order accepted.')),
    token: described(token, 'Names the command in URLs.'),
    command: described(v.string(), 'The command line as accepted.'),
    created_at: time,
    ran_at: described(v.nullable(time), 'When the result was stored; null until then.'),
    result_data: described(v.nullable(resultData), 'Null until the command is final.'),
    state: described(v.picklist(commandStates), 'The last five are final. More may come.'),
    reason: described(
      v.nullable(v.picklist(commandReasons)),
      'Why `result_data` is not the daemon’s answer; null where it is.',
    ),
    server: described(v.string(), 'The name of the server that runs it.'),
    callback_url: described(v.nullable(v.string()), 'Where the final command is posted to.'),
    timeout: v.pipe(v.number(), v.integer(), v.description('Seconds that the run may take.')),
    started_at: described(v.nullable(time), 'When it was sent to the daemon.'),
    duration_ms: described(v.nullable(v.pipe(v.number(), v.integer())), 'How long the run took.'),
    retry_of: described(v.nullable(token), 'The command that this one repeats.'),
    result_json: v.pipe(
      v.unknown(),
      v.description('The output parsed, where it is a JSON object or array; else null.'),
    ),
    late_result_data: described(
      v.nullable(resultData),
      'What the daemon still answered after the command had timed out or was lost.',
    ),
    output_truncated: described(v.boolean(), 'Whether the end of the output was cut.'),
    created_by: described(v.string(), 'The public id of the key that asked for it.'),
  }),
  v.metadata({ ref: 'Command' }),
) satisfies v.GenericSchema<WireCommand>;
