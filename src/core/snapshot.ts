// The text form of a pg_snapshot: xmin:xmax:xip_list (PostgreSQL: pg_snapshot).

/** Whether the transaction had ended, committed or rolled back, when the snapshot was taken. */
export function hasEnded(txid: string, snapshot: string): boolean {
  const [, xmax = '0', inProgress = ''] = snapshot.split(':')
  return BigInt(txid) < BigInt(xmax) && !inProgress.split(',').includes(txid)
}
