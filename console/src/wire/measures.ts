// Series of measures, their catalogue, and the markers beside them, each asked for once for all charts of a page.
// Refuses to know how they are drawn. Invariant: nothing is asked for while the page is hidden.
import { useEffect, useState } from "preact/hooks";
import { type ApiFailure, ask, asFailure, serverNow } from "./client.ts";
import type { Dimension, Marker, MeasureEntry, Series } from "./measure-shapes.ts";

export interface SeriesQuestion {
  measure: string;
  by?: Dimension | null | undefined;
  only?: Partial<Record<Dimension, string>> | undefined;
  window_s: number;
  /** Where the window ends; now, if nothing is given. */
  end_ms?: number | undefined;
  points?: number | undefined;
}

const POINTS = 120;
/** The API names the key's dimension by its id. */
const PARAMETERS: Partial<Record<Dimension, string>> = { key: "key_id" };

/** The path of a series, as JSON or CSV. */
export function seriesPath(question: SeriesQuestion, end_ms: number, format: "json" | "csv" = "json"): string {
  const query = new URLSearchParams({ measure: question.measure });
  if (question.by) query.set("by", question.by);
  for (const [name, value] of Object.entries(question.only ?? {})) {
    if (value !== undefined) query.set(PARAMETERS[name as Dimension] ?? name, value);
  }
  query.set("from_ms", String(Math.round(end_ms - question.window_s * 1000)));
  query.set("to_ms", String(Math.round(end_ms)));
  query.set("points", String(question.points ?? POINTS));
  if (format === "csv") query.set("format", "csv");
  return `/api/v1/series?${query.toString()}`;
}

/** How often a window is worth asking for again. */
function everyMs(window_s: number): number {
  return Math.min(60_000, Math.max(2000, window_s * 4));
}

/** Calls `round` now, then every so often while the page can be seen; an earlier round must have ended. */
function whileSeen(round: (signal: AbortSignal) => Promise<void>, every_ms: number | null): () => void {
  let timer = 0;
  let isEnded = false;
  let abort: AbortController | null = null;
  const next = async (): Promise<void> => {
    window.clearTimeout(timer);
    if (abort || isEnded || document.hidden) return;
    abort = new AbortController();
    await round(abort.signal);
    abort = null;
    if (!isEnded && every_ms !== null) timer = window.setTimeout(() => void next(), every_ms);
  };
  const onVisible = (): void => {
    if (!document.hidden) void next();
  };
  document.addEventListener("visibilitychange", onVisible);
  void next();
  return () => {
    isEnded = true;
    window.clearTimeout(timer);
    abort?.abort();
    document.removeEventListener("visibilitychange", onVisible);
  };
}

export interface HeldSeries {
  series: Series | null;
  failure: ApiFailure | null;
}

/** A measure over its window, kept current when the window ends now. */
export function useSeries(question: SeriesQuestion | null): HeldSeries {
  const [held, setHeld] = useState<HeldSeries>({ series: null, failure: null });
  useEffect(() => {
    if (!question) return;
    const round = async (signal: AbortSignal): Promise<void> => {
      try {
        setHeld({ series: await ask<Series>(seriesPath(question, question.end_ms ?? serverNow()), { signal }), failure: null });
      } catch (thrown) {
        const failure = asFailure(thrown);
        if (failure) setHeld((old) => ({ ...old, failure }));
      }
    };
    return whileSeen(round, question.end_ms === undefined ? everyMs(question.window_s) : null);
  }, [JSON.stringify(question)]);
  return held;
}

let catalogue: Promise<MeasureEntry[]> | null = null;

/** All measures, asked for once; none when the server cannot say. */
export function allMeasures(): Promise<MeasureEntry[]> {
  catalogue ??= ask<{ data: MeasureEntry[] }>("/api/v1/measures").then(
    (list) => list.data,
    () => {
      catalogue = null;
      return [];
    },
  );
  return catalogue;
}

/** The catalogue's entry of a measure. */
export function useMeasure(name: string | null): MeasureEntry | null {
  const [entry, setEntry] = useState<MeasureEntry | null>(null);
  useEffect(() => {
    if (name !== null) void allMeasures().then((found) => setEntry(found.find((one) => one.name === name) ?? null));
  }, [name]);
  return entry;
}

const MARKERS_EVERY_MS = 20_000;
const markersAsked = new Map<string, Promise<Marker[]>>();

/** Charts that look at nearly the same time share one question. */
function markersOf(from_ms: number, to_ms: number): Promise<Marker[]> {
  const round = (at_ms: number): number => Math.ceil(at_ms / MARKERS_EVERY_MS) * MARKERS_EVERY_MS;
  const path = `/api/v1/markers?from_ms=${round(from_ms) - MARKERS_EVERY_MS}&to_ms=${round(to_ms)}`;
  const asked = markersAsked.get(path) ?? ask<{ data: Marker[] }>(path).then((list) => list.data, () => []);
  markersAsked.clear();
  markersAsked.set(path, asked);
  return asked;
}

/** What happened in a window of time; nothing while `isOn` is not. */
export function useMarkers(window_s: number, end_ms: number | undefined, isOn = true): Marker[] {
  const [markers, setMarkers] = useState<Marker[]>([]);
  useEffect(() => {
    if (!isOn) return;
    const round = async (): Promise<void> => {
      const to_ms = end_ms ?? serverNow();
      setMarkers(await markersOf(to_ms - window_s * 1000, to_ms));
    };
    return whileSeen(round, end_ms === undefined ? MARKERS_EVERY_MS : null);
  }, [window_s, end_ms, isOn]);
  return markers;
}
