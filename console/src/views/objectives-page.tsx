// Objectives: what was promised of which calls, what is left of each error budget, and how fast it goes.
// Refuses to know how calls are counted. Invariant: what is shown is in the address.
import type { Place } from "../pages.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { SeriesFrame } from "../parts/chart-frame.tsx";
import { Fact, Pill } from "../parts/small.tsx";
import { hrefOf } from "../place/address.ts";
import { count, durationText, percent } from "../say/units.ts";
import type { Tone } from "../say/words.ts";
import { useMarkers } from "../wire/measures.ts";
import type { Objective, ObjectiveDetail, ObjectiveState } from "../wire/objectives-shapes.ts";
import { usePolled } from "../wire/polling.ts";
import "../styles/objectives.css";

const POLL_MS = 15_000;
const DETAIL_MS = 60_000;
const TONES: Record<ObjectiveState, Tone> = { ok: "good", burning: "warn", spent: "bad", unknown: "quiet" };
const WORDS: Record<ObjectiveState, string> = { ok: "on target", burning: "burning its budget", spent: "budget spent", unknown: "too few calls" };
const SECONDS: Record<string, number> = { h: 3600, d: 86_400, w: 604_800 };

function windowSeconds(window: string): number {
  return Number(window.slice(0, -1)) * (SECONDS[window.slice(-1)] ?? 86_400);
}

/** What is promised, in a sentence. */
export function promiseOf(one: Objective): string {
  const goal = `${String(Number((one.goal * 100).toPrecision(7)))} %`;
  const of = Object.entries(one.only).map(([name, value]) => `${name} ${value}`).join(", ");
  const what = one.measure === "availability" ? "answered" : one.measure === "latency" ? `answered within ${durationText(one.threshold_ms)}` : `with a first token within ${durationText(one.threshold_ms)}`;
  return `${goal} of calls${of ? ` (${of})` : ""} ${what}, over ${one.window}`;
}

function BudgetBar({ left }: { left: number | null }) {
  const tone: Tone = left === null ? "quiet" : left <= 0 ? "bad" : left < 0.25 ? "warn" : "good";
  return (
    <span class={`budget tone-${tone}`}>
      <span class="budget-bar" aria-hidden="true"><span class="budget-left" style={{ width: `${Math.max(0, Math.min(1, left ?? 0)) * 100}%` }} /></span>
      <b class="num">{left === null ? "–" : `${percent(left)} %`}</b> left
    </span>
  );
}

function Row({ one, isChosen }: { one: Objective; isChosen: boolean }) {
  const worst = one.burn_rates.find((rate) => rate.window === "1h");
  return (
    <tr class={isChosen ? "is-chosen" : undefined}>
      <th scope="row">
        <a class="link" href={hrefOf("objectives", {}, [one.name])} data-inside aria-current={isChosen ? "true" : undefined}>{one.name}</a>
        <span class="quiet objective-promise">{one.description ?? promiseOf(one)}</span>
      </th>
      <td data-label="State"><Pill tone={TONES[one.state]}>{WORDS[one.state]}</Pill></td>
      <td class="num" data-label="Now">{one.value === null ? "–" : `${String(Number((one.value * 100).toFixed(3)))} %`}</td>
      <td data-label="Error budget"><BudgetBar left={one.budget_left} /></td>
      <td class="num" data-label="Burn rate, 1 h">{worst?.rate == null ? "–" : `${worst.rate.toFixed(1)}×`}</td>
    </tr>
  );
}

function Burns({ one }: { one: Objective }) {
  return (
    <section class="panel" aria-labelledby="burns-title">
      <header class="panel-head"><h2 id="burns-title">How fast the budget goes</h2></header>
      <div class="wide-table">
        <table class="table traffic" data-testid="burns">
          <thead><tr><th scope="col">Both windows</th><th scope="col" class="num">Burns</th><th scope="col" class="num">Alerts at</th><th scope="col">Then</th></tr></thead>
          <tbody>
            {one.conditions.map((each) => (
              <tr key={each.long}>
                <th scope="row">{each.long} and {each.short}</th>
                <td class="num" data-label="Burns"><span class={each.is_burning ? "tone-bad" : undefined}>{each.rate.toFixed(1)}×</span></td>
                <td class="num" data-label="Alerts at">{each.threshold}×</td>
                <td data-label="Then">{each.is_burning ? <Pill tone={each.severity === "critical" ? "bad" : "warn"}>{each.severity}</Pill> : <span class="quiet">{each.severity}</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl class="facts objective-facts">
        {one.burn_rates.map((rate) => (
          <Fact key={rate.window} label={`Last ${rate.window}`}><span class="num">{rate.rate === null ? "–" : `${rate.rate.toFixed(1)}×`}</span> <span class="quiet num">{count(rate.total - rate.good)} of {count(rate.total)} bad</span></Fact>
        ))}
      </dl>
    </section>
  );
}

function Detail({ name }: { name: string }) {
  const { data, failure } = usePolled<ObjectiveDetail>(`/api/v1/objectives/${encodeURIComponent(name)}?points=120`, DETAIL_MS);
  const markers = useMarkers(data ? windowSeconds(data.objective.window) : 86_400, undefined, data !== null);
  if (failure && !data) return <FailureNotice failure={failure} />;
  if (!data) return <div class="panel chart-waiting" aria-busy="true" />;
  const one = data.objective;
  const series = { measure: "budget_left", unit: "1", start_ms: data.start_ms, step_ms: data.step_ms, lines: [{ label: null, values: data.budget_left }] };
  return (
    <>
      <SeriesFrame
        title={`Error budget of ${one.name}`} description={promiseOf(one)} series={series} markers={markers} limit={0}
        alert={{ kind: "burn_rate", objective: one.name }}
      />
      <dl class="facts panel objective-facts">
        <Fact label="Promised">{promiseOf(one)}</Fact>
        <Fact label="Good calls"><span class="num">{count(one.good)}</span> <span class="quiet num">of {count(one.total)}</span></Fact>
        <Fact label="Bad calls allowed"><span class="num">{count(one.budget)}</span></Fact>
        <Fact label="Bad calls so far"><span class="num">{count(one.total - one.good)}</span></Fact>
      </dl>
      <Burns one={one} />
    </>
  );
}

const EXAMPLE = `objectives:
  answered: {goal: 0.999, window: 30d}
  quick: {measure: latency, threshold_ms: 2000, goal: 0.95, window: 7d}`;

export function ObjectivesView({ rest }: Place) {
  const { data, failure } = usePolled<{ data: Objective[] }>("/api/v1/objectives", POLL_MS);
  const all = data?.data ?? [];
  const chosen = rest[0] ?? all[0]?.name;
  return (
    <div class="objectives">
      <section class="panel" aria-labelledby="objectives-title">
        <header class="panel-head"><h1 id="objectives-title">Objectives</h1></header>
        {failure && <FailureNotice failure={failure} />}
        {data && all.length === 0 && (
          <div class="empty">
            <p>Nothing is promised yet. Put what you aim at into the configuration:</p>
            <pre class="mono objective-example">{EXAMPLE}</pre>
          </div>
        )}
        {all.length > 0 && (
          <div class="wide-table">
            <table class="table traffic" data-testid="objectives">
              <thead><tr><th scope="col">Objective</th><th scope="col">State</th><th scope="col" class="num">Now</th><th scope="col">Error budget</th><th scope="col" class="num">Burn rate <small>1 h</small></th></tr></thead>
              <tbody>{all.map((one) => <Row key={one.name} one={one} isChosen={one.name === chosen} />)}</tbody>
            </table>
          </div>
        )}
      </section>
      {chosen !== undefined && <Detail key={chosen} name={chosen} />}
    </div>
  );
}
