/** The API as OpenAPI 3.1, made of its route table: of what each route says of itself, and the schemas that validate. */
import type { RouterRoute } from 'hono/types';
import { generateSpecs } from 'hono-openapi';
import { version } from '../../lib/package.ts';
import { factory } from '../factory.ts';
import { answerExamples } from './answer-examples.ts';
import { callback } from './callback.ts';
import { errorExamples } from './error-examples.ts';
import { type HeaderName, headerComponents, headerDocs, headerParameter, headerParameters } from './headers.ts';

export type ApiDocument = Awaited<ReturnType<typeof generateSpecs>>;
type PathItem = NonNullable<ApiDocument['paths'][string]>;
export type Operation = NonNullable<PathItem['get']>;
export type ApiResponse = NonNullable<Operation['responses']>[string];

export const methods = ['get', 'post', 'put', 'patch', 'delete'] as const;

export async function describeApi(routes: readonly RouterRoute[]): Promise<ApiDocument> {
  const app = factory.createApp();
  app.routes = [...routes];
  const generated = await generateSpecs(app, {
    documentation: {
      info: {
        title: 'dokku-api',
        version,
        summary: 'Runs Dokku commands over HTTP: each at most once, one after the other, with its result kept.',
        description: [
          'Post a command line, such as `apps:list`, and read how it ended: by asking, by waiting, by an event stream, or by a callback.',
          'Take fields and states that you do not know as they come: more may be added, none is taken away.',
          'A method that a path does not have is answered by 405 `method_not_allowed` with `Allow`; a path with a slash at its end is another path.',
        ].join('\n\n'),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'This installation.' }],
      tags: [
        { name: 'Commands', description: 'Run command lines and read what became of them.' },
        { name: 'Callbacks', description: 'What is posted to a `callback_url`, and how that went.' },
        { name: 'Servers', description: 'The Dokku hosts that run the commands.' },
        { name: 'Operation', description: 'For probes, monitoring and people.' },
      ],
      security: [{ ApiKey: [], ApiSecret: [] }, { Basic: [] }],
      webhooks: { commandFinished: { post: callback } },
      components: {
        securitySchemes: {
          ApiKey: { type: 'apiKey', in: 'header', name: 'Api-Key', description: 'Together with Api-Secret.' },
          ApiSecret: { type: 'apiKey', in: 'header', name: 'Api-Secret', description: 'Together with Api-Key.' },
          Basic: { type: 'http', scheme: 'basic', description: 'The key as the user, the secret as the password.' },
        },
        headers: headerComponents,
        parameters: headerParameters,
        examples: errorExamples,
      },
    },
    // The console is a page for people, made of forms.
    exclude: [/^\/console(\/|$)/],
    excludeStaticFile: false,
    defaultValidationErrorResponse: false,
  });
  const paths = Object.entries(generated.paths).map(([path, item]) => [path, completeItem(item)]);
  return { ...generated, paths: Object.fromEntries(paths) };
}

function completeItem(item: PathItem): PathItem {
  const operations = methods.flatMap((method) => {
    const operation = item[method];
    return operation === undefined ? [] : [[method, complete(operation)]];
  });
  return { ...item, ...Object.fromEntries(operations) };
}

/** Adds what every operation has, and the examples of its own answers. */
function complete(operation: Operation): Operation {
  const isOpen = operation.security?.length === 0;
  const examples = answerExamples[operation.operationId ?? ''] ?? {};
  const responses = Object.entries(operation.responses ?? {}).map(([status, response]) => {
    if ('$ref' in response) return [status, response];
    const headers = { ...headerDocs(...commonHeaders(status, isOpen)), ...response.headers };
    const content = Object.entries(response.content ?? {}).map(([type, media]) => {
      const own = examples[status]?.[type];
      return [type, own === undefined ? media : { ...media, examples: own }];
    });
    return [status, { ...response, headers, ...(content.length > 0 ? { content: Object.fromEntries(content) } : {}) }];
  });
  return {
    ...operation,
    parameters: [...(operation.parameters ?? []), headerParameter('RequestId')],
    responses: Object.fromEntries(responses),
  };
}

/** Errors from before the key was known, or in the counting of its requests, say nothing of its limit. */
function commonHeaders(status: string, isOpen: boolean): HeaderName[] {
  if (isOpen || status === '401') return ['X-Request-Id'];
  return ['X-Request-Id', 'RateLimit', 'RateLimit-Policy', 'Cache-Control'];
}
