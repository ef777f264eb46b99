import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';

// The server's tests hold the published description against the one that is served.
const published = new URL('../../docs/openapi.json', import.meta.url);
type Description = Exclude<Parameters<Validator['validate']>[0], string>;

const read = (): Description => JSON.parse(readFileSync(published, 'utf8')) as Description;

it('PublishedDescription_IsOpenApi31', async () => {
  const validator = new Validator();
  const result = await validator.validate(read());
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
  expect(validator.version).toBe('3.1');
  expect(() => validator.resolveRefs()).not.toThrow();
});

it('BrokenDescription_Refused', async () => {
  const broken = { ...read(), paths: { '/api/v1/desktop/session': { get: { responses: 'none' } } } };
  expect((await new Validator().validate(broken)).valid).toBe(false);
});
