// How sure the answers of the last day were: three distributions as bars.
import { FailureNotice } from "../parts/notice.tsx";
import { count, percent } from "../say/units.ts";
import type { Confidence, Distribution } from "../wire/metrics-shapes.ts";
import { usePolled } from "../wire/polling.ts";

const POLL_MS = 30_000;
const PARTS = [
  { part: "mean", title: "Mean log-probability", what: "of an answer’s tokens; 0 is certain" },
  { part: "minimum", title: "Least log-probability", what: "of an answer’s least likely token" },
  { part: "entropy", title: "Entropy", what: "at each step, where the likeliest tokens are given; 0 is certain" },
] as const;

function nats(value: number | null): string {
  return value === null ? "–" : value.toFixed(2);
}

function Bars({ title, what, of }: { title: string; what: string; of: Distribution }) {
  const most = Math.max(1, ...of.bars.map((bar) => bar.count));
  return (
    <section class="panel bars-panel" aria-label={title}>
      <header class="panel-head"><h3>{title}</h3><span class="quiet">{what}</span></header>
      {of.count === 0 ? <p class="empty">No answer has it.</p> : (
        <>
          <ol class="bars" data-testid="bars">
            {of.bars.map((bar) => (
              <li key={bar.start} title={`${bar.start} to ${bar.end} nats: ${bar.count} answers`}>
                <span class="bar" style={{ height: `${(bar.count / most) * 100}%` }} aria-hidden="true" />
                <span class="offscreen">{bar.start} to {bar.end} nats: {bar.count} answers</span>
              </li>
            ))}
          </ol>
          <p class="bars-foot quiet num"><span>{of.bars[0]?.start ?? 0}</span><span>{count(of.count)} answers · mean {nats(of.mean)} · half within {nats(of.p50)}</span><span>{of.bars.at(-1)?.end ?? 0} nats</span></p>
        </>
      )}
    </section>
  );
}

export function ConfidenceBars() {
  const { data, failure } = usePolled<Confidence>("/api/v1/confidence", POLL_MS);
  if (failure && !data) return <FailureNotice failure={failure} />;
  if (!data) return <div class="panel chart-waiting" aria-busy="true" />;
  const share = data.calls > 0 ? data.mean.count / data.calls : null;
  return (
    <>
      <p class="quiet measure-note">{count(data.mean.count)} of {count(data.calls)} answers of the last 24 hours have log-probabilities{share === null ? "" : ` (${percent(share)} %)`}; <code>record.confidence</code> says which.</p>
      <div class="bars-row">{PARTS.map(({ part, title, what }) => <Bars key={part} title={title} what={what} of={data[part]} />)}</div>
    </>
  );
}
