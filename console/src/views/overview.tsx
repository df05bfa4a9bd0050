// The first screen: golden numbers, what serves them, and the newest calls.
import { usePolled } from "../wire/polling.ts";
import type { ModelRow } from "../wire/shapes.ts";
import type { Place } from "../pages.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { FirstCall } from "./first-call.tsx";
import { Golden } from "./golden.tsx";
import { ModelsTable } from "./models-table.tsx";
import { LatestCalls } from "./latest-calls.tsx";

export function OverviewView({ overview, window_s, tail, query }: Place) {
  const models = usePolled<{ data: ModelRow[] }>(`/api/v1/models?window_s=${window_s}`, window_s <= 900 ? 3000 : 10_000);
  const firstChat = models.data?.data.find((model) => model.kind === "chat")?.model ?? null;
  return (
    <>
      <h1 class="offscreen">Overview</h1>
      {overview.data ? <Golden overview={overview.data} chosen={query.get("chart")} /> : <div class="golden is-waiting" aria-busy="true" />}
      <div class="overview-lower">
        <section class="panel" aria-labelledby="models-title">
          <header class="panel-head">
            <h2 id="models-title">Models</h2>
          </header>
          {models.failure && !models.data && <FailureNotice failure={models.failure} />}
          {models.data && <ModelsTable models={models.data.data} />}
        </section>
        <LatestCalls tail={tail} query={query} empty={<FirstCall model={firstChat} />} />
      </div>
    </>
  );
}
