// The first screen's numbers, for the whole page: asked for every so often, and soon after a call when it is quiet.
// Refuses to know how they are shown. Invariant: in a flood of calls it is the clock that asks, never the calls.
import { useEffect, useRef } from "preact/hooks";
import { type Polled, usePolled } from "./polling.ts";
import type { Screen } from "./screen-shapes.ts";
import type { Tail } from "./tail.ts";

const EVERY_MS = 2500;
const ELSEWHERE_EVERY_MS = 5000;
/** The server puts an answer together at most this often. */
const ANEW_AFTER_MS = 1000;
/** Of more calls at once than this, each changes the numbers but little. */
const QUIET_CALLS = 5;

/** Polls the first screen; `isFirst` says whether it is what is looked at. */
export function useScreen(window_s: number, tail: Tail, isFirst: boolean): Polled<Screen> {
  const polled = usePolled<Screen>(`/api/v1/screen?window_s=${window_s}`, isFirst ? EVERY_MS : ELSEWHERE_EVERY_MS);
  const latest = useRef(polled);
  latest.current = polled;
  useEffect(() => {
    if (!isFirst) return;
    let timer = 0;
    const soon = (): void => {
      if (timer) return;
      const wait_ms = Math.max(0, (latest.current.at_ms ?? 0) + ANEW_AFTER_MS - Date.now());
      timer = window.setTimeout(() => {
        timer = 0;
        latest.current.refresh();
      }, wait_ms);
    };
    const forget = tail.listen((calls) => {
      if (calls.length <= QUIET_CALLS) soon();
    }, soon);
    return () => {
      window.clearTimeout(timer);
      forget();
    };
  }, [tail, isFirst]);
  return polled;
}
