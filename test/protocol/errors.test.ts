/** The error table is closed and consistent: unique codes, sentences, and both directions agree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ApiError,
  type ErrorName,
  errorCode,
  errorName,
  errorTable,
  isFailure,
  noError,
} from '../../src/protocol/errors.ts'

const entries = Object.entries(errorTable)

test('there are errors, with unique codes that fit an int16 and are not 0', () => {
  assert(entries.length > 0)
  assert.equal(new Set(entries.map(([, spec]) => spec.code)).size, entries.length)
  for (const [name, { code }] of entries) {
    assert(Number.isInteger(code) && code !== noError && code >= -1 && code <= 32_767, name)
  }
})

for (const [name, spec] of entries) {
  test(`${name}: name and code lead to each other; the message is a sentence`, () => {
    assert.match(name, /^[A-Z]+(_[A-Z]+)*$/)
    assert.equal(errorName(spec.code), name)
    assert.equal(errorCode(name as ErrorName), spec.code)
    assert.match(spec.message, /^[\S].*\.$/)
    assert(spec.retriable || !spec.refreshMetadata, 'there is no use in refreshing for what is final')
    const error = new ApiError(name as ErrorName)
    assert.deepEqual([error.errorCode, error.isRetriable, error.message], [spec.code, spec.retriable, spec.message])
  })
}

test('codes from elsewhere', () => {
  assert.equal(errorName(noError), null)
  assert.equal(errorName(31_000), 'UNKNOWN_SERVER_ERROR')
})

test('isFailure knows a failure from everything else', () => {
  assert(isFailure({ error: 'INVALID_RECORD', message: 'x' }))
  for (const other of [
    null,
    undefined,
    5,
    'INVALID_RECORD',
    [],
    {},
    { error: 'toString' },
    { error: null },
    { error: 'X' },
  ]) {
    assert(!isFailure(other))
  }
})
