// What to do about a server that refuses who connects. pg finds out about a missing password by itself, without a SQLSTATE.

const REFUSED =
  'the server refuses the login: check user and password in `connectionString` or `sessionConnectionString`, or PGUSER and PGPASSWORD, and pg_hba.conf of the server'

const CODES: ReadonlySet<unknown> = new Set(['28000', '28P01'])

export function isLoginFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && CODES.has(error.code)) || error.message.startsWith('SASL: ')
}

/** Nothing gets through until somebody mends it: the login is refused, or there is no such database any more. */
export function isTurnedAway(error: unknown): boolean {
  return isLoginFailure(error) || (error instanceof Error && 'code' in error && error.code === '3D000')
}

/** Undefined where the failure has nothing to do with the login. */
export function loginAdvice(error: unknown): string | undefined {
  return isLoginFailure(error) ? REFUSED : undefined
}
