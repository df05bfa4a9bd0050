// The live tail: one event stream for the whole page, given out in batches.
// Refuses to know who shows the calls. Invariant: no connection while the page is hidden (browsers allow six
// to one origin, so forgotten tabs must not use them up), and a listener learns when there may have been a gap.
import type { Call } from "./shapes.ts";

export type TailState = "connecting" | "live" | "lost";

export interface Tail {
  state: () => TailState;
  /** `onCalls` gets new calls in order of arrival; `onGap` says that some may have been missed. */
  listen: (onCalls: (calls: Call[]) => void, onGap: () => void) => () => void;
  onState: (listener: (state: TailState) => void) => () => void;
  /** How many calls a second the server leaves out, because there are too many to look at. */
  onSkipped: (listener: (perSecond: number) => void) => () => void;
  /** A tail of its own for the calls that pass a filter; whoever opens it closes it. */
  narrowed: (filter: URLSearchParams) => Tail;
  close: () => void;
}

const BATCH_MS = 120;
const LONGEST_BATCH_MS = 1500;
/** Drawing may take a quarter of the time; the rest stays for the person. */
const REST_TO_WORK = 3;
/** What a list can hold at once many times over: in a flood the rest would be drawn over unseen. */
const MOST_WAITING = 4000;
const RETRY_MS = 2000;
/** Calls in one message of the server at most; the rest is counted. */
const MOST_AT_ONCE = 12;
const SKIPPED_EVERY_MS = 1000;

/** Opens the tail at `path`, narrowed by a filter, and keeps it open while the page is visible. */
export function openTail(path: string, filter = new URLSearchParams()): Tail {
  const asked = new URLSearchParams(filter);
  asked.set("most", String(MOST_AT_ONCE));
  const address = `${path}?${asked.toString()}`;
  const skippedListeners = new Set<(perSecond: number) => void>();
  let skipped = 0;
  let skippedTimer = 0;
  const listeners = new Set<{ onCalls: (calls: Call[]) => void; onGap: () => void }>();
  const stateListeners = new Set<(state: TailState) => void>();
  let source: EventSource | null = null;
  let state: TailState = "connecting";
  let waiting: Call[] = [];
  let flushTimer = 0;
  let batch_ms = BATCH_MS;
  let hasDropped = false;
  let retryTimer = 0;
  let wasOpen = false;

  const become = (next: TailState): void => {
    if (next === state) return;
    state = next;
    for (const listener of stateListeners) listener(next);
  };
  const flush = (): void => {
    flushTimer = 0;
    const batch = waiting;
    waiting = [];
    const start = performance.now();
    for (const listener of listeners) listener.onCalls(batch);
    if (hasDropped) for (const listener of listeners) listener.onGap();
    hasDropped = false;
    // A flood makes drawing dear: then the batches come less often.
    requestAnimationFrame(() => {
      const rest_ms = (performance.now() - start) * REST_TO_WORK;
      batch_ms = Math.min(LONGEST_BATCH_MS, Math.max(BATCH_MS, rest_ms));
    });
  };
  const onCall = (event: MessageEvent<string>): void => {
    waiting.push(JSON.parse(event.data) as Call);
    if (waiting.length > MOST_WAITING) {
      waiting = waiting.slice(-MOST_WAITING / 2);
      hasDropped = true;
    }
    if (!flushTimer) flushTimer = window.setTimeout(flush, batch_ms);
  };
  const tellSkipped = (): void => {
    const count = skipped;
    skipped = 0;
    skippedTimer = count > 0 ? window.setTimeout(tellSkipped, SKIPPED_EVERY_MS) : 0;
    for (const listener of skippedListeners) listener(count);
  };
  const onSkipped = (event: MessageEvent<string>): void => {
    skipped += Number(event.data);
    if (!skippedTimer) skippedTimer = window.setTimeout(tellSkipped, SKIPPED_EVERY_MS);
  };
  const disconnect = (): void => {
    window.clearTimeout(retryTimer);
    source?.close();
    source = null;
  };
  const connect = (): void => {
    disconnect();
    if (document.hidden) return;
    become(wasOpen ? "lost" : "connecting");
    source = new EventSource(address);
    source.addEventListener("call", onCall as EventListener);
    source.addEventListener("skipped", onSkipped as EventListener);
    source.onopen = () => {
      if (wasOpen) for (const listener of listeners) listener.onGap();
      wasOpen = true;
      become("live");
    };
    source.onerror = () => {
      become("lost");
      // The browser gives up for good on an answer that is no stream (503 while control restarts).
      if (source?.readyState === EventSource.CLOSED) retryTimer = window.setTimeout(connect, RETRY_MS);
    };
  };
  const onVisibility = (): void => (document.hidden ? disconnect() : connect());

  document.addEventListener("visibilitychange", onVisibility);
  connect();
  return {
    state: () => state,
    listen: (onCalls, onGap) => {
      const listener = { onCalls, onGap };
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onState: (listener) => {
      stateListeners.add(listener);
      return () => stateListeners.delete(listener);
    },
    onSkipped: (listener) => {
      skippedListeners.add(listener);
      return () => skippedListeners.delete(listener);
    },
    narrowed: (wanted) => openTail(path, wanted),
    close: () => {
      window.clearTimeout(skippedTimer);
      document.removeEventListener("visibilitychange", onVisibility);
      window.clearTimeout(flushTimer);
      disconnect();
    },
  };
}
