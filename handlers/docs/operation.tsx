import type { ApiDocument, Operation as ApiOperation, ApiResponse } from '../openapi/document.ts';
import { Prose, Words } from './prose.tsx';
import { Field, referenceName, type Schema, TypeOf } from './schema.tsx';

export type OperationProps = { document: ApiDocument; method: string; path: string; operation: ApiOperation };

export function operationId({ operationId: id, summary }: ApiOperation): string {
  return id ?? (summary ?? '').toLowerCase().replaceAll(/[^a-z]+/g, '-');
}

/** One way of asking, and what may be answered. */
export function Operation({ document, method, path, operation }: OperationProps) {
  const id = operationId(operation);
  const answers = Object.entries(operation.responses ?? {});
  return (
    <article id={id} aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>{operation.summary}</h3>
      <p class="call">
        <span class={`method ${method}`}>{method.toUpperCase()}</span> <code>{path}</code>
        {operation.deprecated && <span class="mark">deprecated</span>}
        {operation.security?.length === 0 && <span class="mark">open to all</span>}
      </p>
      <Prose text={operation.description} />
      <Parameters document={document} operation={operation} />
      <Body operation={operation} />
      <h4>Answers</h4>
      {answers.filter(isGood).map(([status, response]) => (
        <Answer document={document} status={status} response={response} />
      ))}
      <Refusals answers={answers.filter((answer) => !isGood(answer))} />
    </article>
  );
}

function Parameters({ document, operation }: Pick<OperationProps, 'document' | 'operation'>) {
  const parameters = (operation.parameters ?? []).flatMap((parameter) => {
    if (!('$ref' in parameter)) return [parameter];
    const named = document.components?.parameters?.[referenceName(parameter.$ref)];
    return named === undefined || '$ref' in named ? [] : [named];
  });
  if (parameters.length === 0) return null;
  return (
    <>
      <h4>Parameters</h4>
      <dl>
        {parameters.map(({ name, in: place, required, schema, description }) => (
          <Field
            name={name}
            schema={schema as Schema | undefined}
            note={`${place}${required ? ', required' : ''}`}
            description={description}
          />
        ))}
      </dl>
    </>
  );
}

function Body({ operation: { requestBody } }: Pick<OperationProps, 'operation'>) {
  if (requestBody === undefined || '$ref' in requestBody) return null;
  const types = Object.keys(requestBody.content);
  const [first] = Object.values(requestBody.content);
  return (
    <>
      <h4>Body</h4>
      <p>
        <TypeOf schema={first?.schema as Schema | undefined} /> as{' '}
        <Words text={types.map((type) => `\`${type}\``).join(', ')} />
      </p>
    </>
  );
}

/** Also a refusal that is no error of the API's own form. */
function isGood([status, response]: [string, ApiResponse]): boolean {
  return (
    Number(status) < 400 || ('content' in response && response.content?.['application/problem+json'] === undefined)
  );
}

/** Every error is explained once, further down. */
function Refusals({ answers }: { answers: [string, ApiResponse][] }) {
  if (answers.length === 0) return null;
  return (
    <ul class="refusals">
      {answers.map(([status, response]) => (
        <li>
          <span class={`status of-${status[0]}`}>{status}</span>
          {codesOf(response).map((code) => (
            <a href={`#error-${code}`}>
              <code>{code}</code>
            </a>
          ))}
        </li>
      ))}
    </ul>
  );
}

function codesOf(response: ApiResponse): string[] {
  const examples = 'content' in response ? response.content?.['application/json']?.examples : undefined;
  return Object.keys(examples ?? {});
}

function Answer({ document, status, response }: { document: ApiDocument; status: string; response: ApiResponse }) {
  if ('$ref' in response) return null;
  const headers = Object.entries(response.headers ?? {}).map(([name, header]) => {
    const named = '$ref' in header ? document.components?.headers?.[name] : header;
    return { name, header: named !== undefined && !('$ref' in named) ? named : undefined };
  });
  return (
    <details class="answer">
      <summary>
        <span class={`status of-${status[0]}`}>{status}</span>{' '}
        <span>
          <Words text={response.description} />
        </span>
      </summary>
      {headers.length > 0 && (
        <>
          <h5>Headers</h5>
          <dl>
            {headers.map(({ name, header }) => (
              <Field name={name} schema={header?.schema as Schema | undefined} description={header?.description} />
            ))}
          </dl>
        </>
      )}
      {Object.entries(response.content ?? {}).map(([type, media]) => (
        <>
          <h5>
            <code>{type}</code>: <TypeOf schema={media.schema as Schema | undefined} />
          </h5>
          {Object.entries(media.examples ?? {}).map(([name, example]) => (
            <Example document={document} name={name} example={example} />
          ))}
        </>
      ))}
    </details>
  );
}

type ApiExample = { $ref: string } | { summary?: string; value?: unknown };

function Example({ document, name, example }: { document: ApiDocument; name: string; example: ApiExample }) {
  const found = '$ref' in example ? document.components?.examples?.[referenceName(example.$ref)] : example;
  if (found === undefined || '$ref' in found) return null;
  const { value, summary } = found;
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  if (text === '') return null;
  return (
    <figure>
      <figcaption>{summary ?? name}</figcaption>
      <pre tabindex={0}>{text}</pre>
    </figure>
  );
}
