import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { createDatabase } from './database.ts'

describe('the database of a test file', () => {
  it('is empty and belongs to nobody else', async () => {
    await using one = await createDatabase()
    await using other = await createDatabase()
    await one.query('create table numbers as select 1 as number')
    expect(await one.query('table numbers')).toEqual([{ number: 1 }])
    await expect(other.query('table numbers')).rejects.toThrow('does not exist')
  })

  it('fails the run when a session of the cache is left open', async () => {
    const database = await createDatabase()
    const leak = new Client({ connectionString: database.url, application_name: 'postgres-cache listener' })
    leak.on('error', () => {})
    await leak.connect()
    await expect(database.drop()).rejects.toThrow(/sessions left behind \(1\):\n {2}postgres-cache listener/)
  })
})
