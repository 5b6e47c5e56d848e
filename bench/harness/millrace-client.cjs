/**
 * The client as a process that stays: runs the `millrace` of a checkout (its `dist/cli/main.js` in the first argument) for
 * each message with arguments, one after the other, and answers with what it printed. Its code is compiled when measuring
 * begins, as that of a program that has been running for a while.
 */
'use strict'
const { pathToFileURL } = require('node:url')

const main = pathToFileURL(process.argv[2]).href
// Every run adds its own for signals and the output.
process.setMaxListeners(0)
process.stdout.setMaxListeners(0)
let runs = 0

process.on('message', async args => {
  const printed = []
  const write = process.stdout.write
  process.stdout.write = text => printed.push(String(text))
  process.argv = [process.argv[0], 'millrace', ...args]
  process.exitCode = 0
  try {
    // The module that starts is evaluated again for another URL; what it imports is not.
    await import(`${main}?run=${++runs}`)
    process.send({ printed: printed.join(''), exitCode: process.exitCode })
  } catch (error) {
    process.send({ printed: String(error.stack), exitCode: 1 })
  } finally {
    process.stdout.write = write
  }
})
process.on('disconnect', () => process.exit())
