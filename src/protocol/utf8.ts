/** Strict UTF-8 (RFC 3629): decoders that put U+FFFD for bad bytes would let two different frames mean the same. */

/** Whether `bytes[from, to)` is well-formed: no stray or missing continuation, no overlong form, no surrogate, at most U+10FFFF. */
export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from
  while (at < to) {
    const lead = bytes[at++]!
    if (lead < 0x80) continue
    let more: number
    // Only the second byte's range depends on the lead: that is where overlong forms and surrogates would be.
    let low = 0x80
    let high = 0xbf
    if (lead >= 0xc2 && lead <= 0xdf) more = 1
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2
      if (lead === 0xe0) low = 0xa0
      else if (lead === 0xed) high = 0x9f
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3
      if (lead === 0xf0) low = 0x90
      else if (lead === 0xf4) high = 0x8f
    } else return false
    if (at + more > to) return false
    const second = bytes[at++]!
    if (second < low || second > high) return false
    for (; more > 1; more--) if ((bytes[at++]! & 0xc0) !== 0x80) return false
  }
  return true
}

/** Bytes of `text` as UTF-8, half a surrogate pair counting as U+FFFD: what `TextEncoder` would write. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) length += 1
    else {
      length += 2
      // A pair is four bytes: three were counted for its first half, one is the second half itself.
      if ((unit & 0xfc00) === 0xd800 && i + 1 < text.length && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++
    }
  }
  return length
}
