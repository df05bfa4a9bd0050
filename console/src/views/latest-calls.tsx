// The newest calls on the overview: a window into the live tail.
import type { ComponentChildren } from "preact";
import { hrefOf, openView } from "../place/address.ts";
import { useKeys } from "../place/keyboard.ts";
import type { Tail } from "../wire/tail.ts";
import { FailureNotice } from "../parts/notice.tsx";
import { CallsTable } from "./calls-table.tsx";
import { type CallFilter, useCalls } from "./use-calls.ts";

const SHOWN = 12;
const NO_FILTER: CallFilter = { model: null, outcome: null, status_class: null, key_id: null, conversation_id: null };

export function LatestCalls({ tail, query, empty }: { tail: Tail; query: URLSearchParams; empty: ComponentChildren }) {
  const { calls, fresh, failure, isLoading } = useCalls(tail, NO_FILTER, false);
  useKeys({ "/": () => openView("requests", { focus: "filter" }) });
  return (
    <section class="panel" aria-labelledby="latest-title">
      <header class="panel-head">
        <h2 id="latest-title">Latest calls</h2>
        <a href={hrefOf("requests")} data-inside>All requests</a>
      </header>
      {failure && <FailureNotice failure={failure} />}
      {calls.length > 0 && <CallsTable calls={calls.slice(0, SHOWN)} fresh={fresh} opened={query.get("call")} label="Latest calls" />}
      {calls.length === 0 && !isLoading && !failure && empty}
    </section>
  );
}
