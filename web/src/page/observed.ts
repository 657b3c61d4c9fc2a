// Knows how something says that it has changed, and how a component hears of it.

import { useLayoutEffect, useReducer } from "preact/hooks";

/** Something that changes in place, and tells whoever watches it. */
export class Observed {
  readonly #watchers = new Set<() => void>();

  /** Be called after each change, until the function is called that comes back. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Draw the component again whenever one of these has changed. */
export function useObserved(...things: (Observed | null)[]): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => {
    const ends = things.map((thing) => thing?.watch(() => redraw(undefined)));
    return () => ends.forEach((end) => end?.());
  }, things);
}
