/**
 * Made once for all who ask while it is being made, and for a moment after: what is dear to make costs no
 * more for being asked for often.
 */
export function sharedFor<T>(forMs: number, make: () => Promise<T>): () => Promise<T> {
  let latest: Promise<T> | undefined;
  let madeAt: number | undefined;
  return () => {
    const isOver = madeAt !== undefined && performance.now() - madeAt >= forMs;
    if (latest !== undefined && !isOver) return latest;
    madeAt = undefined;
    const making = Promise.resolve().then(make);
    latest = making;
    making.then(
      () => {
        madeAt = performance.now();
      },
      () => {
        latest = undefined; // the next one tries again
      },
    );
    return making;
  };
}
