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

/** Does not compile where it differs from what is sent. */
export const commandSchema = v.pipe(
  v.object({
    id: v.pipe(v.number(), v.integer(), v.description('Ascending in the order accepted.')),
    token,
    command: v.string(),
    created_at: time,
    ran_at: v.nullable(time),
    result_data: v.nullable(resultData),
    state: v.picklist(commandStates),
    reason: v.nullable(v.picklist(commandReasons)),
    server: v.string(),
    callback_url: v.nullable(v.string()),
    timeout: v.pipe(v.number(), v.integer()),
    started_at: v.nullable(time),
    duration_ms: v.nullable(v.pipe(v.number(), v.integer())),
    retry_of: v.nullable(token),
    result_json: v.pipe(
      v.unknown(),
      v.description('The output parsed, where it is a JSON object or array; else null.'),
    ),
    late_result_data: v.nullable(resultData),
    output_truncated: v.boolean(),
    created_by: v.string(),
  }),
  v.metadata({ ref: 'Command' }),
) satisfies v.GenericSchema<WireCommand>;
