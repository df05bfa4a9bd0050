// The newest calls on the first screen: a window into the live tail, which can be paused and narrowed.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { changeQuery, hrefOf } from "../place/address.ts";
import { useKeys } from "../place/keyboard.ts";
import { count } from "../say/units.ts";
import { OUTCOMES } from "../say/words.ts";
import type { Tail } from "../wire/tail.ts";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { CallsTable } from "./calls-table.tsx";
import { type CallFilter, NO_FILTER, useCalls } from "./use-calls.ts";

const SHOWN = 12;
const STATUSES = [
  { value: "ok", word: "ok" },
  { value: "client_error", word: "4xx" },
  { value: "server_error", word: "5xx" },
];

function filterOf(query: URLSearchParams): CallFilter {
  return { ...NO_FILTER, outcome: query.get("outcome"), status_class: query.get("status_class"), model: query.get("model") };
}

export function LiveTail({ tail, query, empty }: { tail: Tail; query: URLSearchParams; empty: ComponentChildren }) {
  const [isPaused, setPaused] = useState(false);
  const filter = filterOf(query);
  const isFiltered = filter.outcome !== null || filter.status_class !== null || filter.model !== null;
  const { calls, fresh, waiting, skipped, failure, isLoading } = useCalls(tail, filter, isPaused);
  const chosen = filter.status_class ?? (filter.outcome === null ? "" : `outcome:${filter.outcome}`);
  const choose = (value: string): void =>
    changeQuery(value.startsWith("outcome:") ? { outcome: value.slice(8), status_class: null } : { status_class: value || null, outcome: null });
  useKeys({ p: () => setPaused(!isPaused), "/": () => document.querySelector<HTMLSelectElement>("#tail-filter")?.focus() });
  return (
    <section class="panel live-tail" aria-labelledby="latest-title">
      <header class="panel-head">
        <h2 id="latest-title">Live calls</h2>
        {skipped > 0 && !isPaused && <span class="quiet num" title="They are on record all the same">+{count(skipped)}/s not shown</span>}
        <span class="row live-actions">
          <label>
            <span class="offscreen">Only</span>
            <select id="tail-filter" class={`small-select${chosen ? " is-set" : ""}`} value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
              <option value="">all calls</option>
              {STATUSES.map(({ value, word }) => <option key={value} value={value}>{word}</option>)}
              {OUTCOMES.map(({ name }) => <option key={name} value={`outcome:${name}`}>{name}</option>)}
            </select>
          </label>
          <button type="button" class="button small" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)} title="Pause or go on (p)">
            <Icon name={isPaused ? "play" : "pause"} size={14} />
            {isPaused ? "Go on" : "Pause"}
            {isPaused && waiting > 0 && <span class="badge num" data-testid="waiting">{count(waiting)} new</span>}
          </button>
          <a href={hrefOf("requests")} data-inside>All requests</a>
        </span>
      </header>
      {failure && <FailureNotice failure={failure} />}
      {calls.length > 0 && <CallsTable calls={calls.slice(0, SHOWN)} fresh={fresh} opened={query.get("call")} label="Live calls" />}
      {calls.length === 0 && !isLoading && !failure && (isFiltered ? <p class="empty">No call passes this filter.</p> : empty)}
    </section>
  );
}
