/** A loader that knows how often it ran. */
export class CountingLoad<T> {
  readonly load: () => T
  runs = 0

  constructor(load: () => T) {
    this.load = () => {
      this.runs += 1
      return load()
    }
  }
}
