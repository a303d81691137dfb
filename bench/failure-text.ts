/** What went wrong, with its causes, on one line. */
export function failureText(error: unknown): string {
  // A failure to clean up after the failure that counts.
  if (!(error instanceof Error)) return String(error)
  if ('suppressed' in error) return failureText(error.suppressed)
  return error.cause === undefined ? error.message : `${error.message}: ${failureText(error.cause)}`
}
