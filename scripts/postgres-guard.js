// Ends an embedded PostgreSQL and removes its folder when the process that started both is gone, however it went:
// that process holds the other end of this one's standard input, and the system closes it even after kill -9.
// Each line on standard input is the id of the process to end, or 0 while there is none.

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

const [folder] = process.argv.slice(2)
const POLL_MS = 10
const PATIENCE_MS = 10_000

// Whoever interrupts the whole group means the starter; the guard outlives it by a moment to clean up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})

let pid = 0
for await (const line of createInterface({ input: process.stdin })) pid = Number(line)

const deadline = Date.now() + PATIENCE_MS
if (pid > 0 && send('SIGQUIT')) {
  while (isRunning() && Date.now() < deadline) await delay(POLL_MS)
  send('SIGKILL')
}
rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })

/** An orphan that has ended stays a zombie until the first process of its machine or container reaps it. */
function isRunning() {
  const status = `/proc/${pid}/stat`
  return send(0) && !(existsSync(status) && readFileSync(status, 'utf8').includes(') Z '))
}

function send(signal) {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}
