// What to do about a connection that failed because of TLS. pg and Node say what is wrong, not how to mend it.

const UNKNOWN_AUTHORITY =
  'the certificate of the server is of an authority that is not known here: name the certificate of that authority with `sslrootcert`'

const ADVICE_BY_CODE: ReadonlyMap<unknown, string> = new Map([
  ['SELF_SIGNED_CERT_IN_CHAIN', UNKNOWN_AUTHORITY],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_GET_ISSUER_CERT', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNKNOWN_AUTHORITY],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'the certificate of the server is for another host: connect to a name that it carries, or have one issued for this name',
  ],
  ['CERT_HAS_EXPIRED', 'the certificate of the server has expired: have it renewed'],
])

const NO_TLS =
  'the connection asks for TLS and the server has none: turn on `ssl` there, or connect without it where the network may be trusted'
const TLS_ONLY =
  'the server may take connections with TLS only: add `sslmode=verify-full` and `sslrootcert` to the connection string'

/** Undefined where the failure has nothing to do with TLS. */
export function tlsAdvice(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  // pg's own error, which has no code.
  if (error.message === 'The server does not support SSL connections') return NO_TLS
  const code = 'code' in error ? error.code : undefined
  // The code alone says as well that no rule fits at all; servers of other languages get the general advice.
  if (code === '28000' && error.message.includes('no encryption')) return TLS_ONLY
  return ADVICE_BY_CODE.get(code)
}
