/** What a client may say about a new command. The one schema that both validates and documents it. */
import * as v from 'valibot';
import type { FieldError } from '../../lib/errors.ts';
import type { Fields } from '../request-fields.ts';

const wholeSeconds = 'must be a whole number of seconds from 1 to 86400';

/** The messages go behind the field's name. */
export const newCommandSchema = v.pipe(
  v.object({
    cmd: v.pipe(
      v.string('must be one string'),
      v.description('The Dokku command line: 1 to 32,768 bytes of UTF-8 without control characters.'),
      v.metadata({ examples: ['apps:list'] }),
    ),
    sync: v.optional(
      v.pipe(
        v.union([v.string(), v.boolean(), v.number()], 'must be true or false'),
        v.transform((value) => value === true || value === 'true'),
        v.description('Only `true` is true: the answer waits for the result.'),
        v.metadata({ examples: [false] }),
      ),
    ),
    callback_url: v.optional(
      v.pipe(
        v.string('must be one URL'),
        v.description(
          'Where the finished command is posted to; http or https, at most 2048 characters. Empty is none.',
        ),
        v.metadata({ examples: ['https://example.com/done'] }),
      ),
    ),
    timeout: v.optional(
      v.pipe(
        v.union(
          [
            v.pipe(v.number(), v.integer(wholeSeconds), v.minValue(1, wholeSeconds), v.maxValue(86_400, wholeSeconds)),
            v.pipe(
              v.string(),
              v.regex(/^\d{1,10}$/),
              v.transform(Number),
              v.check((seconds) => seconds >= 1 && seconds <= 86_400, wholeSeconds),
            ),
          ],
          wholeSeconds,
        ),
        v.description('Seconds that the run may take.'),
        v.metadata({ examples: [600] }),
      ),
    ),
    server: v.optional(
      v.pipe(
        v.string('must be one name'),
        v.description('The name of the server that runs it.'),
        v.metadata({ examples: ['default'] }),
      ),
    ),
  }),
  v.metadata({ ref: 'NewCommand' }),
);

export type NewCommandInput = v.InferInput<typeof newCommandSchema>;
/** As sent: what was left out, empty, or refused by itself is not there. */
export type NewCommandFields = Partial<v.InferOutput<typeof newCommandSchema>>;

/** Reads the known fields and ignores all others; those of the wrong type are the errors. */
export function parseNewCommandFields(fields: Fields): { values: NewCommandFields; errors: FieldError[] } {
  const errors: FieldError[] = [];
  const values = Object.fromEntries(
    Object.entries(newCommandSchema.entries).flatMap(([field, schema]) => {
      const value = fields.get(field) ?? '';
      if (value === '') return [];
      const result = v.safeParse(schema, value);
      if (result.success) return [[field, result.output]];
      errors.push(toFieldError(field, result.issues[0]));
      return [];
    }),
  ) as NewCommandFields;
  return { values, errors };
}

function toFieldError(field: string, issue: v.BaseIssue<unknown>): FieldError {
  const detail = Array.isArray(issue.input)
    ? `Send ${field} once, and without brackets behind its name.`
    : `${field} ${issue.message}.`;
  return {
    field,
    code: issue.kind === 'schema' ? 'wrong_type' : 'out_of_range',
    message: `${field} ${issue.message}`,
    detail,
  };
}
