/** CRC-32C with native code installed, by size, and by tables: where one overtakes the other is `nativeBytesMin`. */
import { crc32c, tableCrc32c } from '../../src/util/crc32c.ts'
import { seededRandom } from '../../src/util/random.ts'
import { type Case, keep, type Prepared, type Room } from './case.ts'
import { copyOf } from './references.ts'

export const room: Room = {
  name: 'crc',
  cases: [
    summing('CRC-32C, 200 B', crc32c, 200),
    summing('CRC-32C, 2 KiB', crc32c, 2_048),
    summing('CRC-32C, 64 KiB', crc32c, 65_536),
    summing('CRC-32C by tables, 300 B', tableCrc32c, 300),
    summing('CRC-32C natively, 300 B', crc32c, 300),
    summing('CRC-32C by tables, 64 KiB', tableCrc32c, 65_536),
  ],
}

function summing(name: string, sum: typeof crc32c, size: number): Case {
  const prepare = (): Prepared => {
    const bytes = seededRandom(1).nextBytes(65_536)
    const count = Math.floor(bytes.length / size)
    const run = (): number => {
      for (let at = 0; at < count; at++) keep(sum(bytes, at * size, (at + 1) * size))
      return count
    }
    return { run, reference: copyOf(bytes, count), bytes: size }
  }
  return { name, operation: 'a sum', clock: 'cpu', prepare }
}
