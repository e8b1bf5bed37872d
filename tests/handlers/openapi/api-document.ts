import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import { securityHeaders } from '../../../handlers/middleware/security-headers.ts';
import { type ApiDocument, methods, type Operation } from '../../../handlers/openapi/document.ts';
import type { Answer } from '../../support/send.ts';

/** What HTTP itself, or what keeps browsers in bounds, sends with every answer. */
const notOurs = new Set([
  ...['connection', 'keep-alive', 'date', 'content-length', 'content-type', 'transfer-encoding', 'vary'],
  ...Object.keys(securityHeaders).map((name) => name.toLowerCase()),
]);

const problemType = 'application/problem+json';

/** An operation, and where it stands in the document. */
export interface Described {
  id: string;
  method: string;
  path: string;
  isOpen: boolean;
  operation: Operation;
}

/** An answer that the document promises: an error code, an example, or a body or none without one. */
export interface Promised {
  operation: Described;
  status: number;
  /** Of an error. */
  code?: string;
  /** Of any other answer with a body. */
  type?: string;
  /** Of an example. */
  example?: string;
}

/** The document that a server sent, as what its answers are measured by. */
export class ApiDocumentCheck {
  readonly document: ApiDocument;
  readonly operations: readonly Described[];
  readonly #validator = new Ajv2020({ strict: false, coerceTypes: 'array', formats: { 'date-time': true } });
  /** What was seen: `getCommand 200 ratelimit`. */
  readonly #headersSeen = new Set<string>();

  constructor(document: ApiDocument) {
    this.document = document;
    this.#validator.addSchema(document, 'api');
    this.operations = Object.entries(document.paths).flatMap(([path, item]) =>
      methods.flatMap((method) => {
        const operation = item?.[method];
        if (operation === undefined) return [];
        const isOpen = operation.security?.length === 0;
        return [{ id: operation.operationId ?? '', method: method.toUpperCase(), path, isOpen, operation }];
      }),
    );
  }

  /** Every answer that the document promises, once. */
  promised(): Promised[] {
    return this.operations.flatMap((operation) =>
      Object.entries(operation.operation.responses ?? {}).flatMap(([key, response]): Promised[] => {
        const status = Number(key);
        const content = Object.entries(('content' in response && response.content) || {});
        if (content.length === 0) return [{ operation, status }];
        const codes = content.find(([type]) => type === problemType)?.[1].examples;
        if (codes !== undefined) return Object.keys(codes).map((code) => ({ operation, status, code }));
        return content.flatMap(([type, { examples = {} }]): Promised[] => {
          const names = Object.keys(examples);
          if (names.length === 0) return [{ operation, status, type }];
          return names.map((example) => ({ operation, status, type, example }));
        });
      }),
    );
  }

  /** Whether the answer is one that the operation promises: by its status, headers, type, schema and code. */
  expectPromised({ id, method, path, operation }: Described, answer: Answer): void {
    const status = String(answer.status);
    const response = operation.responses?.[status];
    if (response === undefined || '$ref' in response)
      throw new Error(`${id} does not promise ${status}: ${answer.body}`);
    const at = `api#/paths/${pointer(path)}/${method.toLowerCase()}/responses/${status}`;
    for (const [name, value] of Object.entries(answer.headers)) {
      if (notOurs.has(name)) continue;
      const documented = Object.keys(response.headers ?? {}).find((known) => known.toLowerCase() === name);
      if (documented === undefined) throw new Error(`${id} ${status} does not promise the header ${name}`);
      this.#headersSeen.add(`${id} ${status} ${documented}`);
      this.#expectValid(`api#/components/headers/${documented}/schema`, value, `${id} ${status} ${name}: ${value}`);
    }
    const [type = ''] = String(answer.headers['content-type'] ?? '').split(';');
    const media = response.content?.[type];
    if (response.content === undefined) {
      expect([id, status, answer.body]).toEqual([id, status, '']);
      return;
    }
    if (media === undefined) throw new Error(`${id} ${status} does not promise ${type}`);
    const body: unknown = type.endsWith('json') ? JSON.parse(answer.body) : answer.body;
    this.#expectValid(`${at}/content/${pointer(type)}/schema`, body, `${id} ${status}: ${answer.body.slice(0, 2000)}`);
    if (response.content[problemType] !== undefined) {
      expect(Object.keys(media.examples ?? {}), `the codes of ${id} ${status}`).toContain(
        (body as { code: string }).code,
      );
    }
  }

  /** The headers that are promised and were in no answer. Refusals of 429 and above come from before and after they are known. */
  headersNeverSeen(): string[] {
    return this.operations.flatMap(({ id, operation }) =>
      Object.entries(operation.responses ?? {})
        .filter(([status]) => Number(status) < 429)
        .flatMap(([status, response]) =>
          Object.keys(('headers' in response && response.headers) || {}).map((name) => `${id} ${status} ${name}`),
        )
        .filter((name) => !this.#headersSeen.has(name)),
    );
  }

  example({ operation, status, type = '', example = '' }: Promised): unknown {
    const response = operation.operation.responses?.[status];
    const found =
      response !== undefined && 'content' in response ? response.content?.[type]?.examples?.[example] : null;
    return found && 'value' in found ? found.value : undefined;
  }

  errorExample(name: string): unknown {
    const found = this.document.components?.examples?.[name];
    return found && 'value' in found ? found.value : undefined;
  }

  #expectValid(reference: string, value: unknown, what: string): void {
    const validate = this.#validator.getSchema(reference) ?? this.#validator.compile({ $ref: reference });
    if (!validate(structuredClone(value))) {
      throw new Error(`${what} is not as promised: ${this.#validator.errorsText(validate.errors)}`);
    }
  }
}

function pointer(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
}
