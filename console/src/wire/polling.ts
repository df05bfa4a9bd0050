// Asks for one path again and again while somebody looks. Refuses to know what the answer means.
// Invariant: never two requests of one hook at once, none while the page is hidden, the last good answer is kept.
import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiFailure, ask, asFailure } from "./client.ts";

export interface Polled<T> {
  data: T | null;
  failure: ApiFailure | null;
  /** When `data` arrived, in milliseconds of the local clock. */
  at_ms: number | null;
  refresh: () => void;
}

interface Held<T> {
  data: T | null;
  failure: ApiFailure | null;
  at_ms: number | null;
}

/** Polls `path` every `every_ms`; `null` asks nothing. */
export function usePolled<T>(path: string | null, every_ms: number): Polled<T> {
  const [held, setHeld] = useState<Held<T>>({ data: null, failure: null, at_ms: null });
  const kick = useRef<() => void>(() => undefined);

  useEffect(() => {
    if (path === null) return;
    let timer = 0;
    let isEnded = false;
    let abort: AbortController | null = null;

    const round = async (): Promise<void> => {
      window.clearTimeout(timer);
      if (abort || isEnded) return;
      abort = new AbortController();
      try {
        const data = await ask<T>(path, { signal: abort.signal });
        if (!isEnded) setHeld({ data, failure: null, at_ms: Date.now() });
      } catch (thrown) {
        const failure = asFailure(thrown);
        if (!isEnded && failure) setHeld((old) => ({ ...old, failure }));
      }
      abort = null;
      if (!isEnded && !document.hidden) timer = window.setTimeout(() => void round(), every_ms);
    };
    const onVisible = (): void => {
      if (document.hidden) window.clearTimeout(timer);
      else void round();
    };

    kick.current = () => {
      if (!document.hidden) void round();
    };
    document.addEventListener("visibilitychange", onVisible);
    void round();
    return () => {
      isEnded = true;
      window.clearTimeout(timer);
      abort?.abort();
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [path, every_ms]);

  return { ...held, refresh: () => kick.current() };
}
