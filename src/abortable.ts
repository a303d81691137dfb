// A caller that gives up: its promise rejects with the signal's reason, the work goes on.

interface Listeners {
  readonly all: Set<() => void>
  readonly tell: () => void
}

/** Of signals that somebody listens to. */
const listenersOf = new WeakMap<AbortSignal, Listeners>()

/**
 * Calls the listener once, when the signal aborts. Returns the function that ends this. All calls with one signal, say that of a request, share one
 * listener on it: from the eleventh on Node warns of a leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const { all, tell } = listenersOf.get(signal) ?? listen(signal)
  all.add(listener)
  return () => {
    if (!all.delete(listener) || all.size > 0) return
    signal.removeEventListener('abort', tell)
    listenersOf.delete(signal)
  }
}

function listen(signal: AbortSignal): Listeners {
  const all = new Set<() => void>()
  const tell = (): void => {
    for (const listener of all) listener()
  }
  const listeners = { all, tell }
  listenersOf.set(signal, listeners)
  signal.addEventListener('abort', tell, { once: true })
  return listeners
}

export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal === undefined ? work : race(work, signal)
}

async function race<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {}) // whoever gave up does not hear how it ended
  signal.throwIfAborted()
  let ignore = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    ignore = onAbort(signal, () => reject(signal.reason as Error))
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    ignore()
  }
}
