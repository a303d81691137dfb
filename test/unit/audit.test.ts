import { expect, it } from 'vitest'
import { type AuditParts, auditHits } from '../../src/audit.ts'
import { Reporter } from '../../src/events.ts'
import { Background } from '../../src/memory/background.ts'

it('audits a key again after its audit has failed in a way that nobody foresaw', async () => {
  const failures: unknown[] = []
  const background = new Background((error) => failures.push(error))
  const reporter = new Reporter()
  const bug = new TypeError('unforeseen')
  const parts = {
    sampleRate: 1,
    local: { hit: () => ({ version: '1' }) },
    reader: { fetch: () => Promise.reject(bug) },
    reporter,
    background,
  }
  auditHits(parts as unknown as AuditParts)
  for (let i = 0; i < 2; i++) {
    reporter.hit('key', 'local')
    await background.drain()
  }
  expect(failures).toEqual([bug, bug])
})
