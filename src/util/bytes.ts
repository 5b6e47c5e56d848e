/** Of all parts together. */
export function sizeOfParts(parts: readonly Uint8Array[]): number {
  let sizeBytes = 0
  for (const part of parts) sizeBytes += part.length
  return sizeBytes
}

/** One piece of memory that holds the parts back to back. Always a copy. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeOfParts(parts))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** The parts back to back: several are copied together, one is returned as it is. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : concatBytes(parts)
}
