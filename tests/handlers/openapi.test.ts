/**
 * The document that the running server sends: that it is good OpenAPI, that it leaves nothing out, that each answer that
 * it promises is had, and is as promised.
 */
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ApiDocument } from '../../handlers/openapi/document.ts';
import { errorStatus } from '../../lib/errors.ts';
import { version } from '../../lib/package.ts';
import { type Answer, send } from '../support/send.ts';
import { ApiDocumentCheck, type Promised } from './openapi/api-document.ts';
import { eventLikeness, likeness } from './openapi/likeness.ts';
import { prepareRefusal } from './openapi/refusals.ts';
import { more, successes } from './openapi/successes.ts';
import { createWorld, type World } from './openapi/world.ts';

let world: World;
let text: string;
let check: ApiDocumentCheck;

beforeAll(async () => {
  world = await createWorld();
  const answer = await send(world.web.url, { path: '/openapi.json' });
  expect(answer.status).toBe(200);
  text = answer.body;
  check = new ApiDocumentCheck(JSON.parse(text) as ApiDocument);
});

test('is OpenAPI 3.1 of this version, to a linter’s liking', async () => {
  expect(check.document).toMatchObject({ openapi: expect.stringMatching(/^3\.1\.\d$/), info: { version } });
  const config = await createConfig({
    extends: ['recommended'],
    // What is open to all refuses nobody. No operation refers to the error of a wrong method.
    rules: { 'operation-4xx-response': 'off', 'no-unused-components': 'off' },
  });
  const problems = await lintFromString({ source: text, absoluteRef: '/openapi.json', config });
  expect(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual([]);
});

test('has every route of the table, and no other', () => {
  const routes = world.web.routes
    .filter(({ method, path }) => method !== 'ALL' && !path.startsWith('/console'))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  expect(check.operations.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual(
    [...new Set(routes)].toSorted(),
  );
});

test('says of each operation what it is, and whom it is for', async () => {
  for (const { id, method, path, isOpen, operation } of check.operations) {
    expect([id, operation.summary, operation.tags]).toEqual([
      expect.stringMatching(/^[a-z][A-Za-z]+$/),
      expect.stringMatching(/^[A-Z]/),
      [expect.any(String)],
    ]);
    const known = check.document.tags?.map(({ name }) => name);
    expect(known).toEqual(expect.arrayContaining(operation.tags ?? []));
    const bare = await send(world.web.url, { method, path });
    expect([id, bare.status === 401]).toEqual([id, !isOpen]);
  }
  expect(new Set(check.operations.map(({ id }) => id)).size).toBe(check.operations.length);
});

test('is made once, and open to all in the same bytes', async () => {
  for (const headers of [{}, world.key.headers, { Accept: 'application/yaml' }]) {
    expect((await send(world.web.url, { path: '/openapi.json', headers })).body).toBe(text);
  }
  const head = await send(world.web.url, { method: 'HEAD', path: '/openapi.json' });
  expect([head.status, head.headers['content-type'], head.body]).toEqual([200, 'application/json', '']);
});

describe('every answer that it promises is had, and as promised', () => {
  const nameOf = ({ operation, status, code, type, example }: Promised) =>
    [operation.id, status, code, type, example].filter((part) => part !== undefined).join(' ');
  const produced = new Set<string>();

  async function tryRefusal({ operation, status, code = '' }: Promised): Promise<void> {
    const refused = await prepareRefusal(world, operation, code);
    for (const [accept, suffix] of [
      ['application/json', ''],
      ['application/problem+json', '_problem'],
    ] as const) {
      const answer = await refused({ Accept: accept });
      expect([answer.status, answer.headers['content-type']], answer.body).toEqual([status, accept]);
      check.expectPromised(operation, answer);
      const body = JSON.parse(answer.body) as { code: string };
      expect(body.code).toBe(code);
      const example = check.errorExample(code + suffix);
      if (JSON.stringify(likeness(body)) === JSON.stringify(likeness(example))) produced.add(code + suffix);
    }
  }

  async function trySuccess(promised: Promised): Promise<void> {
    const ask = successes[nameOf(promised)];
    if (ask === undefined) throw new Error(`Say in successes.ts how "${nameOf(promised)}" is had.`);
    const answer = await ask(world);
    expect(answer.status, answer.body).toBe(promised.status);
    check.expectPromised(promised.operation, answer);
    if (promised.example !== undefined) expectExample(promised, answer);
  }

  function expectExample(promised: Promised, { body }: Answer): void {
    const example = check.example(promised);
    if (promised.type === 'application/json') expect(likeness(JSON.parse(body))).toEqual(likeness(example));
    else if (promised.type === 'text/event-stream') expect(eventLikeness(body)).toEqual(eventLikeness(String(example)));
    else expect(body).toContain(example);
  }

  test('one by one', { timeout: 90_000 }, async () => {
    const failures: unknown[] = [];
    for (const promised of check.promised()) {
      try {
        await (promised.code === undefined ? trySuccess(promised) : tryRefusal(promised));
      } catch (error) {
        failures.push(new Error(nameOf(promised), { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'));
  });

  test('with the headers that only some of them have', async () => {
    for (const [id, ask] of Object.entries(more)) {
      const operation = check.operations.find((described) => described.id === id);
      if (operation === undefined) throw new Error(`There is no operation ${id}.`);
      for (const answer of await ask(world)) check.expectPromised(operation, answer);
    }
  });

  test('and so is every error that it shows', async () => {
    for (const [accept, name] of [
      ['application/json', 'method_not_allowed'],
      ['application/problem+json', 'method_not_allowed_problem'],
    ] as const) {
      const { body } = await world.send({ method: 'PUT', path: '/commands', headers: { Accept: accept } });
      expect(likeness(JSON.parse(body))).toEqual(likeness(check.errorExample(name)));
      produced.add(name);
    }
    expect(produced).toEqual(new Set(Object.keys(errorStatus).flatMap((code) => [code, `${code}_problem`])));
    expect(produced).toEqual(new Set(Object.keys(check.document.components?.examples ?? {})));
  });

  test('and so is every header', () => {
    expect(check.headersNeverSeen()).toEqual([]);
  });
});
