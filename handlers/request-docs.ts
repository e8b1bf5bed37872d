/** What the document says of a request's fields. */
import { toJsonSchema } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';

/** For schemas of a query: documents the values that its texts stand for, not the texts. */
export const asValues = {
  options: {
    typeMode: 'output' as const,
    overrideSchema: ({ valibotSchema }: { valibotSchema: { type: string } }) =>
      valibotSchema.type === 'date' ? { type: 'string', format: 'date-time' } : undefined,
  },
};

type Parameter = { name: string; in: 'query'; description?: string; schema: object };

/** The fields of an object as parameters of the query, none of them required. */
export function queryParameters(schema: GenericSchema): Parameter[] {
  const { properties = {} } = toJsonSchema(schema, { errorMode: 'ignore' });
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = typeof property === 'boolean' ? {} : property;
    return { name, in: 'query', ...(description === undefined ? {} : { description }), schema: rest };
  });
}
