import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import type { Finding } from '../../src/cli/diagnosis.ts'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../../test/database.ts'
import { runCommand } from '../../test/run-command.ts'
import { PgBouncer } from './pgbouncer.ts'
import { describeWith } from './tools.ts'

describeWith('PgBouncer (apt-get install pgbouncer)', 'doctor, through PgBouncer', () => {
  let transactions: PgBouncer
  let sessions: PgBouncer
  beforeAll(async () => {
    transactions = await PgBouncer.before(inject('serverUrl'), { connections: 5 })
    sessions = await PgBouncer.before(inject('serverUrl'), { connections: 5, mode: 'session' })
  })
  afterAll(() => Promise.all([transactions[Symbol.asyncDispose](), sessions[Symbol.asyncDispose]()]))

  it('tells a pooler that swallows notifications from one that keeps sessions and from a direct address', async () => {
    const database = await createDatabase()
    await PostgresCache.migrate({ connectionString: database.url })
    const sessionThrough = async (url: string, ...args: readonly string[]): Promise<Finding | undefined> => {
      const { code, stdout } = await runCommand({ DATABASE_URL: url }, 'doctor', '--json', ...args)
      expect(code).toBe(0)
      return (JSON.parse(stdout) as Finding[]).find(({ matter }) => matter === 'session')
    }
    const swallowing = transactions.urlOf(database.url)
    expect(await sessionThrough(swallowing)).toMatchObject({
      verdict: 'warning',
      text: expect.stringContaining('transaction mode'),
      advice: expect.stringContaining('sessionConnectionString'),
    })
    expect(await sessionThrough(swallowing, '--session-url', database.url)).toMatchObject({
      verdict: 'good',
      text: expect.stringContaining('direct'),
    })
    expect(await sessionThrough(sessions.urlOf(database.url))).toMatchObject({
      verdict: 'good',
      text: expect.stringContaining('keeps sessions'),
    })
  })
})
