/** Which commands a list is asked for, and how many at once. */
import { validator } from 'hono-openapi';
import * as v from 'valibot';
import { commandStates } from '../../lib/command.ts';
import { ApiError } from '../../lib/errors.ts';
import { asValues } from '../request-docs.ts';
import { parseTime } from '../time.ts';

const wholeNumber = (message: string) =>
  v.pipe(v.string(message), v.regex(/^\d{1,15}$/, message), v.transform(Number), v.number(), v.integer());
const id = (message: string, description: string) => v.pipe(wholeNumber(message), v.description(description));
const time = (name: string, description: string) =>
  v.pipe(
    v.string(`${name} must be one time`),
    v.transform(parseTime),
    v.date(`${name} must be an ISO 8601 time, such as 2017-03-15T15:13:45+00:00`),
    v.description(description),
  );
const limitRange = 'limit must be a whole number from 1 to 1000';

const listSchema = v.object({
  limit: v.optional(
    v.pipe(
      wholeNumber(limitRange),
      v.minValue(1, limitRange),
      v.maxValue(1000, limitRange),
      v.description('How many commands a page has; 100 where only others of these are given.'),
    ),
  ),
  after: v.optional(id('after must be an id', 'The page that follows this id.')),
  before: v.optional(id('before must be an id', 'The page that comes before this id.')),
  order: v.optional(v.pipe(v.picklist(['asc', 'desc'], 'order must be asc or desc'), v.description('By id.'))),
  state: v.optional(v.picklist(commandStates, `state must be one of ${commandStates.join(', ')}`)),
  server: v.optional(
    v.pipe(
      v.string('server must be one name'),
      v.regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'server must be the name of a server'),
    ),
  ),
  since: v.optional(time('since', 'Accepted then or later. A blank is read as +.')),
  until: v.optional(time('until', 'Accepted before then. A blank is read as +.')),
  q: v.optional(
    v.pipe(
      v.string('q must be one text'),
      v.minLength(1, 'q must not be empty'),
      v.maxLength(1000, 'q must have at most 1000 characters'),
      v.check((text) => !text.includes('\0'), 'q must not contain U+0000'),
      v.description('A part of the command line.'),
    ),
  ),
});

export type ListQuery = v.InferOutput<typeof listSchema>;

/** @throws ApiError `bad_query` */
export const listQuery = validator(
  'query',
  listSchema,
  (result) => {
    if (!result.success) {
      throw new ApiError('bad_query', `${result.error.map(({ message }) => message).join('; ')}.`);
    }
  },
  asValues,
);

/** Whether a page is asked for; without any of its parameters it is the whole list. */
export function isPage(query: ListQuery): boolean {
  return Object.values(query).some((value) => value !== undefined);
}
