import { DatabaseError } from 'pg'
import { expect, test } from 'vitest'
import { isAmbiguous, isConnectionFailure, toCacheError } from '../../../src/postgres/failures.ts'

/** As PostgreSQL 15 says it with LANGUAGE=de. */
function serverError(code: string, routine: string, message: string): DatabaseError {
  return Object.assign(new DatabaseError(message, message.length, 'error'), { code, routine })
}

test.each([
  [
    '0A000',
    'get_relation_info',
    'während der Wiederherstellung kann nicht auf temporäre oder ungeloggte Tabellen zugegriffen werden',
    'read-only',
  ],
  ['55000', 'pg_current_wal_lsn', 'Wiederherstellung läuft', 'read-only'],
  ['0A000', 'RevalidateCachedQuery', 'gecachter Plan darf den Ergebnistyp nicht ändern', 'query-failed'],
])('a server that speaks another language is understood: %s of %s', (code, routine, message, expected) => {
  expect(toCacheError(serverError(code, routine, message), 'read')).toMatchObject({ code: expected })
})

test('a socket that broke under a statement is no answer of the server, though its code looks like one', () => {
  const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', errno: -32, syscall: 'write' })
  expect(isConnectionFailure(broken)).toBe(true)
  expect(isAmbiguous(broken)).toBe(true)
  expect(toCacheError(broken, 'set')).toMatchObject({ code: 'unavailable' })
})
