// Traces: a filter, when it applies, what it finds; and one trace, or two side by side.
// Refuses to know how a filter is read. Invariant: the address is the whole state, so a link shows the same.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Place } from "../pages.tsx";
import { changeQuery, hrefOf, openView } from "../place/address.ts";
import { useKeys } from "../place/keyboard.ts";
import { count, moment } from "../say/units.ts";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { Histogram, TracePage, TraceRow } from "../wire/traces-shapes.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { CompareTraces } from "./compare-traces.tsx";
import { FirstCall } from "./first-call.tsx";
import { FilterBox } from "./traces-filter.tsx";
import { Bars } from "./traces-histogram.tsx";
import { TracesTable } from "./traces-list.tsx";
import { OneTrace } from "./traces-one.tsx";
import "../styles/traces.css";

const SPANS: { seconds: number; word: string }[] = [
  { seconds: 900, word: "Last 15 minutes" },
  { seconds: 3600, word: "Last hour" },
  { seconds: 21_600, word: "Last 6 hours" },
  { seconds: 86_400, word: "Last day" },
  { seconds: 604_800, word: "Last 7 days" },
];
const LIVE_MS = 5000;

/** What a link may hand on from one screen of traces to the next. */
export function keptQuery(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries(["filter", "from_ms", "to_ms", "span"].flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])));
}

interface Found {
  rows: TraceRow[];
  next: string | null;
  until_ms: number | null;
  sql: string | null;
}

const NOTHING: Found = { rows: [], next: null, until_ms: null, sql: null };

interface Asked {
  found: Found | null;
  histogram: Histogram | null;
  failure: ApiFailure | null;
  isLoading: boolean;
  more: () => void;
  again: () => void;
}

/** Asks for the list and the histogram of a filter; again now and then while it is about the present. */
function useTraces(filter: string, from_ms: string | null, to_ms: string | null, span_s: number): Asked {
  const [found, setFound] = useState<Found | null>(null);
  const [histogram, setHistogram] = useState<Histogram | null>(null);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [isLoading, setLoading] = useState(true);
  const [round, setRound] = useState(0);
  const hasPaged = useRef(false);
  const isFixed = from_ms !== null || to_ms !== null;

  const bounds = (): URLSearchParams => {
    const now = Date.now();
    const query = new URLSearchParams();
    if (filter) query.set("filter", filter);
    query.set("from_ms", from_ms ?? String(isFixed ? 0 : now - span_s * 1000));
    if (to_ms !== null) query.set("to_ms", to_ms);
    return query;
  };
  const load = (before: string | null, signal?: AbortSignal): void => {
    setLoading(true);
    const query = bounds();
    if (before !== null) query.set("before", before);
    ask<TracePage>(`/api/v1/traces?${query.toString()}`, signal ? { signal } : {}).then(
      (page) => {
        setLoading(false);
        setFailure(null);
        setFound((old) => {
          const known = before === null ? [] : (old?.rows ?? []);
          const ids = new Set(known.map((row) => row.trace_id));
          return { rows: [...known, ...page.data.filter((row) => !ids.has(row.trace_id))], next: page.next_before, until_ms: page.searched_until_ms, sql: page.shown?.sql ?? null };
        });
      },
      (thrown: unknown) => {
        const failed = asFailure(thrown);
        if (!failed) return;
        setLoading(false);
        setFailure(failed);
        if (failed.place) setFound(NOTHING);
      },
    );
  };

  useEffect(() => {
    hasPaged.current = false;
    setFound(null);
    setHistogram(null);
    setFailure(null);
  }, [filter, from_ms, to_ms, span_s]);
  useEffect(() => {
    const abort = new AbortController();
    load(null, abort.signal);
    const query = bounds();
    query.set("points", "80");
    if (!query.has("to_ms")) query.set("to_ms", String(Date.now()));
    ask<Histogram>(`/api/v1/traces/histogram?${query.toString()}`, { signal: abort.signal }).then(setHistogram, () => setHistogram(null));
    return () => abort.abort();
  }, [filter, from_ms, to_ms, span_s, round]);
  useEffect(() => {
    if (isFixed || failure) return;
    const timer = window.setInterval(() => {
      if (!document.hidden && !hasPaged.current) setRound((old) => old + 1);
    }, LIVE_MS);
    return () => window.clearInterval(timer);
  }, [isFixed, failure]);

  const more = (): void => {
    if (!found?.next) return;
    hasPaged.current = true;
    load(found.next);
  };
  return { found, histogram, failure, isLoading, more, again: () => setRound((old) => old + 1) };
}

function Nothing({ filter, first, searched }: { filter: string; first: string | null; searched: number | null }) {
  if (searched !== null) return <p class="empty">Nothing found back to {moment(searched, Date.now())} so far.</p>;
  if (filter) {
    return (
      <div class="empty">
        <p>No trace passes this filter in this time.</p>
        <button type="button" class="button" onClick={() => changeQuery({ filter: null })}>Clear the filter</button>
      </div>
    );
  }
  return <FirstCall model={first} />;
}

function Period({ query }: { query: URLSearchParams }) {
  const from = Number(query.get("from_ms"));
  const to = query.get("to_ms");
  if (query.get("from_ms") !== null || to !== null) {
    return (
      <button type="button" class="button chip" data-testid="period" title="Look at all of the last hour again" onClick={() => changeQuery({ from_ms: null, to_ms: null })}>
        <span class="num">{from > 0 ? moment(from, Date.now()) : "the beginning"} – {to === null ? "now" : moment(Number(to), Date.now())}</span>
        <Icon name="close" size={12} />
      </button>
    );
  }
  return (
    <label class="choice">
      <span class="offscreen">Time</span>
      <select value={query.get("span") ?? "3600"} onChange={(event) => changeQuery({ span: event.currentTarget.value === "3600" ? null : event.currentTarget.value })}>
        {SPANS.map((span) => <option key={span.seconds} value={String(span.seconds)}>{span.word}</option>)}
      </select>
    </label>
  );
}

function TracesHome({ query, screen }: Place) {
  const filter = query.get("filter") ?? "";
  const span_s = Number(query.get("span")) || 3600;
  const { found, histogram, failure, isLoading, more, again } = useTraces(filter, query.get("from_ms"), query.get("to_ms"), span_s);
  const [picked, setPicked] = useState<TraceRow[]>([]);
  const [isQueryShown, showQuery] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => box.current?.focus(), r: again });
  useEffect(() => {
    if (query.get("focus") !== "filter") return;
    box.current?.focus();
    changeQuery({ focus: null });
  }, []);

  const open = (row: TraceRow): void => openView("traces", { ...keptQuery(query), at_ms: String(row.at_ms) }, [row.trace_id]);
  const pick = (row: TraceRow): void =>
    setPicked((old) => (old.some((one) => one.trace_id === row.trace_id) ? old.filter((one) => one.trace_id !== row.trace_id) : [...old.slice(-1), row]));
  const [left, right] = picked;
  const rows = found?.rows ?? [];
  const first = screen.data?.models.find((model) => model.kind === "chat")?.model ?? null;
  return (
    <section class="panel" aria-labelledby="traces-title">
      <header class="panel-head traces-head">
        <h1 id="traces-title">Traces</h1>
        <FilterBox value={filter} failure={failure?.code === "invalid_filter" ? failure : null} box={box} onAsk={(text) => (text === filter ? again() : changeQuery({ filter: text || null }, false))} />
        <Period query={query} />
      </header>
      {histogram && histogram.ok.length > 0 && <Bars histogram={histogram} onNarrow={(from_ms, to_ms) => changeQuery({ from_ms: String(from_ms), to_ms: String(to_ms) }, false)} />}
      {failure && failure.code !== "invalid_filter" && <FailureNotice failure={failure} />}
      {rows.length > 0 && <TracesTable rows={rows} picked={new Set(picked.map((row) => row.trace_id))} onOpen={open} onPick={pick} />}
      {found !== null && rows.length === 0 && !failure && <Nothing filter={filter} first={first} searched={found.until_ms} />}
      {found === null && !failure && <p class="empty quiet" aria-busy="true">Looking…</p>}
      {isQueryShown && found?.sql && (
        <div class="query-part traces-query" data-testid="traces-query">
          <pre class="mono" tabIndex={0}>{found.sql}</pre>
          <CopyButton text={found.sql} what="the query" />
        </div>
      )}
      <footer class="panel-foot">
        <span class="quiet num">{count(rows.length)} shown</span>
        {found?.until_ms != null && <span class="quiet" role="status">Searched so far until {moment(found.until_ms, Date.now())}.</span>}
        {found?.next != null && (
          <button type="button" class="button" disabled={isLoading} onClick={more}>{isLoading ? "Looking…" : found.until_ms !== null ? "Search on" : "Load older"}</button>
        )}
        {left && right && (
          <a class="button primary" data-inside data-testid="compare" href={hrefOf("traces", { ...keptQuery(query), at_ms: String(left.at_ms), with: right.trace_id, with_at_ms: String(right.at_ms) }, [left.trace_id])}>Compare the two</a>
        )}
        {picked.length === 1 && <span class="quiet">Pick another trace to compare with.</span>}
        <span class="foot-end">
          {found?.sql && <button type="button" class="button plain" aria-pressed={isQueryShown} onClick={() => showQuery(!isQueryShown)}><Icon name="code" /> Query</button>}
          <CopyButton text={window.location.href} what="a link to this" label="Link" />
        </span>
      </footer>
    </section>
  );
}

export function TracesView(place: Place) {
  const [trace] = place.rest;
  const other = place.query.get("with");
  if (trace && other) return <CompareTraces ids={[trace, other]} query={place.query} />;
  if (trace) return <OneTrace key={trace} id={trace} query={place.query} />;
  return <TracesHome {...place} />;
}
