/**
 * News that may come in any number and at any time: whoever listens is told of them at most once in `everyMs`, however many
 * there are and for however long they go on, and also of those that came before it listened.
 */
export type News = {
  tell(): void;
  listen(listener: () => void): void;
  stop(): void;
};

export function coalesce(everyMs: number): News {
  let listener: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isTold = false;
  let isStopped = false;
  const pass = (): void => {
    if (!isTold || isStopped || listener === undefined || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      isTold = false;
      listener?.();
    }, everyMs).unref();
  };
  return {
    tell() {
      if (isTold) return;
      isTold = true;
      pass();
    },
    listen(next) {
      listener = next;
      pass();
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
