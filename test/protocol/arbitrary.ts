/** fast-check arbitraries for the protocol: a body for any schema, and records for a batch. */
import fc, { type Arbitrary } from 'fast-check'
import type { RecordHeader } from '../../src/protocol/batch/types.ts'
import type { Type } from '../../src/protocol/schema.ts'

/** Well-formed text whose length in UTF-16 units is at most `lengthMax`. */
function text(lengthMax: number): Arbitrary<string> {
  return fc.string({ unit: 'binary', maxLength: Math.min(Math.floor(lengthMax / 2), 12) })
}

/** Any value the schema allows, in version `version`; lists and texts are kept short. */
export function arbitraryOf(type: Type<unknown>, version: number): Arbitrary<unknown> {
  const { shape } = type
  switch (shape.kind) {
    case 'struct': {
      const fields = Object.entries(shape.fields).map(([key, field]) => {
        const value = field.since <= version ? arbitraryOf(field.type, version) : fc.constant(field.whenAbsent)
        return [key, value] as const
      })
      return fc.record(Object.fromEntries(fields), { noNullPrototype: true })
    }
    case 'array':
      return fc.array(arbitraryOf(shape.item, version), { maxLength: Math.min(shape.countMax, 3) })
    case 'nullable':
      return fc.option(arbitraryOf(shape.inner, version))
    case 'either':
      return fc.oneof(arbitraryOf(shape.first, version), arbitraryOf(shape.second, version))
    case 'string':
      return text(shape.lengthMax)
    case 'bytes':
      return fc.uint8Array({ maxLength: Math.min(shape.lengthMax, 20) })
    case 'integer': {
      const { min, max } = shape
      const borders = [min, max, 0, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, -(2 ** 31) - 1, -(2 ** 45)]
      const any = min >= -(2 ** 31) ? fc.integer({ min, max }) : fc.maxSafeInteger()
      return fc.oneof(fc.constantFrom(...borders.filter(n => n >= min && n <= max)), any)
    }
    case 'oneOf':
      return fc.constantFrom(...shape.values)
    case 'boolean':
      return fc.boolean()
    case 'float64':
      return fc.double({ noNaN: true })
  }
}

export interface TestRecord {
  key: Uint8Array | string | null
  value: Uint8Array | string | null
  headers: RecordHeader[] | null
  timestamp: number
}

const arbitraryText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 90 }),
  fc.string({ unit: 'binary-ascii', maxLength: 200 }),
  fc.constantFrom('', '\ufeffbyte order mark', 'ä'.repeat(70), '😀'.repeat(40), 'x'.repeat(64), 'x'.repeat(65)),
)
const arbitraryBlob = fc.option(fc.oneof(arbitraryText, fc.uint8Array({ maxLength: 150 })))

/** Records of every kind; their timestamps go up and down. */
export const arbitraryRecords: Arbitrary<TestRecord[]> = fc.array(
  fc.record(
    {
      key: arbitraryBlob,
      value: arbitraryBlob,
      headers: fc.option(
        fc.array(
          fc.record(
            { name: arbitraryText, value: fc.option(fc.uint8Array({ maxLength: 70 })) },
            { noNullPrototype: true },
          ),
          { maxLength: 3 },
        ),
      ),
      timestamp: fc.oneof(fc.nat(), fc.maxSafeInteger().map(Math.abs), fc.constant(1_760_000_000_000)),
    },
    { noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 20 },
)

export function blobBytes(blob: Uint8Array | string | null): Uint8Array | null {
  return typeof blob === 'string' ? new TextEncoder().encode(blob) : blob
}
