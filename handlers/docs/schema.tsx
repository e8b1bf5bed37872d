/** Schemas as people read them: a type in one line, and the fields of an object as a list. */
import type { ApiDocument } from '../openapi/document.ts';
import { Words } from './prose.tsx';

export type Schema = NonNullable<NonNullable<ApiDocument['components']>['schemas']>[string];

/** The last part of `#/components/schemas/Command`. */
export function referenceName(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}

function isReference(schema: object): schema is { $ref: string } {
  return '$ref' in schema;
}

export function TypeOf({ schema }: { schema: Schema | undefined }) {
  if (schema === undefined) return <>any</>;
  if (isReference(schema)) {
    const name = referenceName(schema.$ref);
    return <a href={`#${name}`}>{name}</a>;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) {
    return (
      <>
        {choices.map((choice, index) => (
          <>
            {index > 0 && ' or '}
            <TypeOf schema={choice} />
          </>
        ))}
      </>
    );
  }
  if ('items' in schema && schema.items !== undefined) {
    return (
      <>
        array of <TypeOf schema={schema.items} />
      </>
    );
  }
  if (schema.enum !== undefined) return <Literals values={schema.enum} />;
  if ('const' in schema) return <Literals values={[schema.const]} />;
  return <>{[schema.type ?? 'any', ...bounds(schema)].join(', ')}</>;
}

function Literals({ values }: { values: readonly unknown[] }) {
  return (
    <>
      {values.map((value, index) => (
        <>
          {index > 0 && ', '}
          <code>{String(value)}</code>
        </>
      ))}
    </>
  );
}

function bounds(schema: Exclude<Schema, { $ref: string }>): string[] {
  const { minimum, maximum, maxLength, format } = schema;
  return [
    ...(format === undefined ? [] : [format]),
    ...(minimum === undefined ? [] : [`from ${minimum}${maximum === undefined ? '' : ` to ${maximum}`}`]),
    ...(maxLength === undefined ? [] : [`at most ${maxLength} characters`]),
  ];
}

type FieldProps = {
  name: string;
  schema: Schema | undefined;
  note?: string | undefined;
  description?: string | undefined;
};

/** One line of a list of fields, parameters or headers. */
export function Field({ name, schema, note, description }: FieldProps) {
  const text = description ?? (schema !== undefined && 'description' in schema ? schema.description : undefined);
  return (
    <div class="field">
      <dt>
        <code>{name}</code>
        <span class="type">
          <TypeOf schema={schema} />
          {note !== undefined && `, ${note}`}
        </span>
      </dt>
      {text !== undefined && (
        <dd>
          <Words text={text} />
        </dd>
      )}
    </div>
  );
}

/** The fields of an object, those of objects inside of it too. */
export function Fields({ schema, within = '' }: { schema: Schema; within?: string }) {
  if ('$ref' in schema) return null;
  return (
    <>
      {Object.entries(schema.properties ?? {}).map(([name, property]) => (
        <>
          <Field
            name={within + name}
            schema={property}
            note={schema.required?.includes(name) ? undefined : 'may be left out'}
          />
          {inner(property).map(({ schema: object, suffix }) => (
            <Fields schema={object} within={`${within}${name}${suffix}.`} />
          ))}
        </>
      ))}
    </>
  );
}

/** The objects that a field is made of. */
function inner(schema: Schema): { schema: Schema; suffix: string }[] {
  if ('$ref' in schema) return [];
  if ('items' in schema && schema.items !== undefined) {
    return inner(schema.items).concat(isObject(schema.items) ? [{ schema: schema.items, suffix: '[]' }] : []);
  }
  if (schema.anyOf !== undefined)
    return schema.anyOf.filter(isObject).map((choice) => ({ schema: choice, suffix: '' }));
  return isObject(schema) ? [{ schema, suffix: '' }] : [];
}

function isObject(schema: Schema): boolean {
  return !('$ref' in schema) && schema.properties !== undefined;
}
