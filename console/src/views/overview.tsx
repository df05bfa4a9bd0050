// The first screen: golden numbers, what serves them, what there is left of it, and the newest calls.
import type { Place } from "../pages.tsx";
import { FirstCall } from "./first-call.tsx";
import { Golden } from "./golden.tsx";
import { LiveTail } from "./live-tail.tsx";
import { ModelsTable } from "./models-table.tsx";
import { Resources } from "./resources.tsx";

export function OverviewView({ screen, window_s, tail, query }: Place) {
  const shown = screen.data;
  const firstChat = shown?.models.find((model) => model.kind === "chat")?.model ?? null;
  const isWaiting = !shown || shown.window_s !== window_s;
  return (
    <>
      <h1 class="offscreen">Overview</h1>
      {shown ? <Golden screen={shown} chosen={query.get("chart")} isWaiting={isWaiting} /> : <div class="golden is-waiting" aria-busy="true" />}
      <section class="panel models-panel" aria-labelledby="models-title">
        <header class="panel-head">
          <h2 id="models-title">Models</h2>
        </header>
        {shown && <ModelsTable screen={shown} />}
      </section>
      <div class="overview-lower">
        {shown && <Resources screen={shown} />}
        <LiveTail tail={tail} query={query} empty={<FirstCall model={firstChat} />} />
      </div>
    </>
  );
}
