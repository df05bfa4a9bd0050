// Two traces side by side: what each came to, and steps of the same name beside each other.
// Refuses to judge which is better. Invariant: the address names both, so a link shows the same.
import { useMemo, useState } from "preact/hooks";
import { hrefOf } from "../place/address.ts";
import { durationText } from "../say/units.ts";
import type { Step, TraceDetail } from "../wire/traces-shapes.ts";
import { CopyButton } from "../parts/copy.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Fall, type Fetched, TraceFacts, TraceNotes, useTrace } from "./traces-one.tsx";
import { keptQuery } from "./traces-page.tsx";
import { StepView } from "./traces-step.tsx";
import { branchesOf, partnerOf } from "./traces-tree.ts";

function Side({ id, fetched, chosen, onChoose, label, at_ms }: { id: string; fetched: Fetched; chosen: Step | null; onChoose: (step: Step) => void; label: string; at_ms: string | null }) {
  const { trace, failure, fetchStep } = fetched;
  const branches = useMemo(() => (trace ? branchesOf(trace.spans) : []), [trace]);
  return (
    <section class="side" aria-label={label} data-testid="side">
      <h2><a class="mono" href={hrefOf("traces", at_ms ? { at_ms } : {}, [id])} data-inside>{id}</a></h2>
      {failure && <FailureNotice failure={failure} />}
      {!trace && !failure && <p class="quiet" aria-busy="true">Loading…</p>}
      {trace && (
        <>
          <TraceFacts trace={trace} />
          <TraceNotes trace={trace} />
          <Fall trace={trace} branches={branches} chosen={chosen?.step_id ?? null} label={`Steps of the ${label}`} onChoose={onChoose} />
          {chosen && (
            <StepView
              key={chosen.step_id}
              step={chosen}
              scores={trace.scores.filter((score) => score.step_id === chosen.step_id)}
              logs={[]}
              keyName={trace.key_names[chosen.key_id ?? ""] ?? null}
              onFetch={() => fetchStep(chosen.step_id)}
            />
          )}
          {!chosen && <p class="quiet">No step here answers to the one chosen there.</p>}
        </>
      )}
    </section>
  );
}

function drawn(trace: TraceDetail | null): Step[] {
  return trace ? branchesOf(trace.spans).map(({ step }) => step) : [];
}

export function CompareTraces({ ids, query }: { ids: [string, string]; query: URLSearchParams }) {
  const left = useTrace(ids[0], query.get("at_ms"));
  const right = useTrace(ids[1], query.get("with_at_ms"));
  const [chosen, setChosen] = useState<{ side: 0 | 1; id: string } | null>(null);
  const steps = useMemo(() => [drawn(left.trace), drawn(right.trace)] as const, [left.trace, right.trace]);
  const side = chosen?.side ?? 0;
  const own = steps[side].find((step) => step.step_id === chosen?.id) ?? steps[0][0] ?? null;
  const other = own ? partnerOf(own, steps[side], steps[side === 0 ? 1 : 0]) : null;
  const shown = side === 0 ? [own, other] : [other, own];
  const longer = left.trace && right.trace ? right.trace.duration_ms - left.trace.duration_ms : null;
  return (
    <section class="panel" aria-labelledby="compare-title">
      <header class="panel-head">
        <a class="button icon-only plain" href={hrefOf("traces", keptQuery(query))} data-inside aria-label="Back to the traces"><span aria-hidden="true">←</span></a>
        <h1 id="compare-title">Two traces</h1>
        {longer !== null && <span class="quiet num">{Math.abs(longer) < 0.01 ? "Both took the same time." : `The right one took ${durationText(Math.abs(longer))} ${longer > 0 ? "longer" : "less"}.`}</span>}
        <CopyButton text={window.location.href} what="a link to this comparison" label="Link" />
      </header>
      <div class="sides">
        <Side id={ids[0]} at_ms={query.get("at_ms")} fetched={left} chosen={shown[0] ?? null} label="left trace" onChoose={(step) => setChosen({ side: 0, id: step.step_id })} />
        <Side id={ids[1]} at_ms={query.get("with_at_ms")} fetched={right} chosen={shown[1] ?? null} label="right trace" onChoose={(step) => setChosen({ side: 1, id: step.step_id })} />
      </div>
    </section>
  );
}
