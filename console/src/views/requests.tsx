// All calls: the live tail with filters, a pause, and older pages.
import { useEffect, useRef, useState } from "preact/hooks";
import { changeQuery } from "../place/address.ts";
import { useKeys } from "../place/keyboard.ts";
import { count } from "../say/units.ts";
import type { Call } from "../wire/shapes.ts";
import type { Tail } from "../wire/tail.ts";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { CallsTable } from "./calls-table.tsx";
import { Filters } from "./filters.tsx";
import { type CallFilter, FILTER_NAMES, useCalls } from "./use-calls.ts";

function filterOf(query: URLSearchParams): CallFilter {
  return Object.fromEntries(FILTER_NAMES.map((name) => [name, query.get(name)])) as unknown as CallFilter;
}

/** Whether a call's identifiers, key or error hold the text. */
function holds(call: Call, text: string): boolean {
  const wanted = text.toLowerCase();
  const places = [call.request_id, call.call_id, call.conversation_id, call.trace_id, call.key_name, call.key_id, call.error_code, call.model, call.deployment];
  return places.some((place) => place?.toLowerCase().includes(wanted));
}

function NothingFound({ text, isFiltered }: { text: string; isFiltered: boolean }) {
  return (
    <div class="empty">
      <p>{isFiltered ? "No call passes these filters." : "No calls yet. The overview has lines to paste."}</p>
      {text && (
        <p>
          <button type="button" class="button" onClick={() => changeQuery({ call: text }, false)}>Look up “{text}” as a request id</button>
        </p>
      )}
      {isFiltered && (
        <p>
          <button type="button" class="button" onClick={() => changeQuery({ q: null, ...Object.fromEntries(FILTER_NAMES.map((name) => [name, null])) })}>Clear the filters</button>
        </p>
      )}
    </div>
  );
}

export function Requests({ tail, query }: { tail: Tail; query: URLSearchParams }) {
  const [isPaused, setPaused] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const filter = filterOf(query);
  const text = query.get("q") ?? "";
  const { calls, fresh, waiting, isLoading, failure, hasOlder, loadOlder } = useCalls(tail, filter, isPaused);
  const shown = text ? calls.filter((call) => holds(call, text)) : calls;
  const isFiltered = text !== "" || FILTER_NAMES.some((name) => filter[name] !== null);

  useKeys({ "/": () => search.current?.focus(), p: () => setPaused(!isPaused) });
  useEffect(() => {
    if (query.get("focus") !== "filter") return;
    search.current?.focus();
    changeQuery({ focus: null });
  }, []);

  return (
    <section class="panel" aria-labelledby="requests-title">
      <header class="panel-head requests-head">
        <h1 id="requests-title">Requests</h1>
        <Filters query={query} search={search} calls={calls} />
        <button type="button" class="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)} title="Pause or go on (p)">
          <Icon name={isPaused ? "play" : "pause"} />
          {isPaused ? "Go on" : "Pause"}
          {isPaused && waiting > 0 && <span class="badge num" data-testid="waiting">{count(waiting)} new</span>}
        </button>
      </header>
      {failure && <FailureNotice failure={failure} />}
      {shown.length > 0 && <CallsTable calls={shown} fresh={fresh} opened={query.get("call")} label="Requests" />}
      {shown.length === 0 && !isLoading && !failure && <NothingFound text={text} isFiltered={isFiltered} />}
      <footer class="panel-foot">
        <span class="quiet num">{count(shown.length)} shown</span>
        {hasOlder && (
          <button type="button" class="button" disabled={isLoading} onClick={loadOlder}>{isLoading ? "Loading…" : "Load older"}</button>
        )}
        {!hasOlder && !isLoading && shown.length > 0 && <span class="quiet">That is all there is.</span>}
      </footer>
    </section>
  );
}
