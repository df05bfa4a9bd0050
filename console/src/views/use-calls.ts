// A list of calls that is both a page of the past and a live tail. Refuses to know how it is shown.
// Invariant: newest first by call id, each call once; while paused nothing moves, and nothing is lost.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { Call, CallPage } from "../wire/shapes.ts";
import type { Tail } from "../wire/tail.ts";

export interface CallFilter {
  model: string | null;
  outcome: string | null;
  status_class: string | null;
  key_id: string | null;
  conversation_id: string | null;
  deployment: string | null;
  team: string | null;
}

export const NO_FILTER: CallFilter = { model: null, outcome: null, status_class: null, key_id: null, conversation_id: null, deployment: null, team: null };
export const FILTER_NAMES = Object.keys(NO_FILTER) as (keyof CallFilter)[];

export interface Calls {
  calls: Call[];
  fresh: ReadonlySet<string>;
  waiting: number;
  /** Calls a second that the tail leaves out because there are so many. */
  skipped: number;
  isLoading: boolean;
  failure: ApiFailure | null;
  hasOlder: boolean;
  loadOlder: () => void;
}

const PAGE = 50;
/** Rows that a live list keeps; older ones are one click away. More would cost layout at every batch. */
const LIVE_KEPT = 100;
/** In a flood everything is new: nothing is marked so. */
const MOST_MARKED = 15;

/** The class of a call, as the server counts it: what failed or was cut is no success, whatever its status. */
function statusClass(call: Call): string {
  if (call.status >= 500 || call.outcome === "failed" || call.outcome === "cut") return "server_error";
  return call.status >= 400 ? "client_error" : "ok";
}

/** Whether a live call belongs in a list that the server has filtered by `filter`. */
export function passes(call: Call, filter: CallFilter): boolean {
  return FILTER_NAMES.every((name) => {
    const wanted = filter[name];
    if (wanted === null) return true;
    return name === "status_class" ? statusClass(call) === wanted : call[name] === wanted;
  });
}

/** Joins two lists, newest first, each call once (the newer word about a call wins). */
export function merged(newer: Call[], older: Call[]): Call[] {
  const byId = new Map<string, Call>();
  for (const call of older) byId.set(call.call_id, call);
  for (const call of newer) byId.set(call.call_id, call);
  return [...byId.values()].sort((a, b) => (a.call_id < b.call_id ? 1 : a.call_id > b.call_id ? -1 : 0));
}

function queryOf(filter: CallFilter): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of FILTER_NAMES) {
    const value = filter[name];
    if (value !== null) query.set(name, value);
  }
  return query;
}

function pathOf(filter: CallFilter, before: string | null): string {
  const query = queryOf(filter);
  query.set("limit", String(PAGE));
  if (before !== null) query.set("before", before);
  return `/api/v1/requests?${query.toString()}`;
}

interface Held {
  calls: Call[];
  waiting: Call[];
  fresh: ReadonlySet<string>;
  next_before: string | null;
  hasPaged: boolean;
}

const EMPTY: Held = { calls: [], waiting: [], fresh: new Set(), next_before: null, hasPaged: false };

function withLive(held: Held, arrived: Call[]): Held {
  const calls = merged(arrived, held.calls);
  const isTrimmed = !held.hasPaged && calls.length > LIVE_KEPT;
  const kept = isTrimmed ? calls.slice(0, LIVE_KEPT) : calls;
  return {
    ...held, calls: kept, waiting: [], fresh: new Set(arrived.length > MOST_MARKED ? [] : arrived.map((call) => call.call_id)),
    next_before: isTrimmed ? (kept.at(-1)?.call_id ?? null) : held.next_before,
  };
}

/** The calls that pass `filter`, live unless paused. */
export function useCalls(tail: Tail, filter: CallFilter, isPaused: boolean): Calls {
  const [held, setHeld] = useState<Held>(EMPTY);
  const [isLoading, setLoading] = useState(true);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [skipped, setSkipped] = useState(0);
  const paused = useRef(isPaused);
  paused.current = isPaused;
  const name = JSON.stringify(filter);

  const load = useCallback((before: string | null, signal?: AbortSignal): void => {
    setLoading(true);
    ask<CallPage>(pathOf(filter, before), signal ? { signal } : {}).then(
      (page) => {
        setFailure(null);
        setLoading(false);
        setHeld((old) => ({
          ...old, calls: merged(old.calls, page.data), fresh: new Set(), hasPaged: old.hasPaged || before !== null,
          next_before: before !== null || !old.hasPaged ? page.next_before : old.next_before,
        }));
      },
      (thrown: unknown) => {
        const failed = asFailure(thrown);
        if (!failed) return;
        setFailure(failed);
        setLoading(false);
      },
    );
  }, [name]);

  useEffect(() => {
    const abort = new AbortController();
    setHeld(EMPTY);
    load(null, abort.signal);
    // In a flood the shared tail leaves calls out, so a narrowed list has a tail of its own.
    const query = queryOf(filter);
    const own = query.size > 0 ? tail.narrowed(query) : null;
    const source = own ?? tail;
    const forgetSkipped = source.onSkipped(setSkipped);
    const forget = source.listen(
      (calls) => {
        const wanted = calls.filter((call) => passes(call, filter)).slice(-LIVE_KEPT);
        if (wanted.length === 0) return;
        setHeld((old) => (paused.current ? { ...old, waiting: merged(wanted, old.waiting).slice(0, LIVE_KEPT) } : withLive(old, wanted)));
      },
      () => load(null),
    );
    return () => {
      abort.abort();
      forget();
      forgetSkipped();
      own?.close();
    };
  }, [tail, name, load]);

  useEffect(() => {
    if (!isPaused) setHeld((old) => (old.waiting.length > 0 ? withLive(old, old.waiting) : old));
  }, [isPaused]);

  return {
    calls: held.calls, fresh: held.fresh, waiting: held.waiting.length, skipped, isLoading, failure,
    hasOlder: held.next_before !== null, loadOlder: () => load(held.next_before),
  };
}
