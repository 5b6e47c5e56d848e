import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeldSockets } from '../../src/server/held-sockets.ts'
import type { Socket } from '../../src/transport/socket.ts'

class FakeSocket implements Socket {
  readonly remote = 'test'
  readonly bufferedBytes = 0
  readonly calls: string[] = []
  onMessage = () => {}
  onDrain = () => {}
  onClose: (code: number, reason: string) => void = () => {}
  send(): void {}
  pause(): void {
    this.calls.push('pause')
  }
  resume(): void {
    this.calls.push('resume')
  }
  close(code: number): void {
    this.calls.push(`close ${code}`)
  }
  terminate(): void {}
}

test('sockets that come early are paused, then served in the order they came', () => {
  const gate = new HeldSockets()
  const [first, gone, second, late] = [new FakeSocket(), new FakeSocket(), new FakeSocket(), new FakeSocket()]
  const early = [first, gone, second].map(socket => gate.accept(socket))
  gone.onClose(1006, '')
  assert.deepEqual(
    early.map(served => served.isEstablished),
    [false, false, false],
  )
  const served: Socket[] = []
  gate.release(socket => {
    served.push(socket)
    return { isEstablished: true }
  })
  gate.accept(late)
  assert.deepEqual(served, [first, second, late])
  assert.deepEqual(first.calls, ['pause', 'resume'])
  assert.deepEqual(gone.calls, ['pause'])
  assert.deepEqual(late.calls, [])
  assert.deepEqual(
    early.map(s => s.isEstablished),
    [true, false, true],
  )
})

test('when the start fails they are sent away', () => {
  const gate = new HeldSockets()
  const socket = new FakeSocket()
  gate.accept(socket)
  gate.close()
  assert.deepEqual(socket.calls, ['pause', 'close 1001'])
})
