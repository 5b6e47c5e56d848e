import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../src/cli/failure.ts'
import { compileRecordFormat, type PrintableRecord } from '../../src/cli/record-format.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const record: PrintableRecord = {
  topic: 't',
  partition: 3,
  offset: 17,
  timestamp: 1_700_000_000_000,
  key: bytes('k'),
  value: bytes('grüß'),
  headers: [
    { name: 'a', value: bytes('1') },
    { name: 'b', value: null },
  ],
}

test('cli: record format knows every verb and escape', () => {
  const text = compileRecordFormat('%t %p %o %T %k %s %h %K %S%%\\n\\t\\x41\\\\')(record).toString()
  assert.equal(text, 't 3 17 1700000000000 k grüß a=1,b=NULL 1 6%\n\tA\\')
})

test('cli: record format prints null as nothing and its length as -1', () => {
  assert.equal(compileRecordFormat('[%k|%s|%K|%S]')({ ...record, key: null, value: null }).toString(), '[||-1|-1]')
})

test('cli: record format leaves bytes as they are', () => {
  const value = Uint8Array.of(0, 255, 254, 10)
  assert.deepEqual([...compileRecordFormat('%s')({ ...record, value })], [0, 255, 254, 10])
})

test('cli: record format refuses what it does not know', () => {
  for (const bad of ['%z', '%', '\\q', 'a\\']) assert.throws(() => compileRecordFormat(bad), UsageError, bad)
})
