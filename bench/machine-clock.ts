/** Milliseconds on a clock that all processes of this machine share, finer than a microsecond. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
