// One line that answers "is it well?": the state with its reason, open alerts, how fresh the numbers are, what is
// left of the error budgets.
import { useEffect, useState } from "preact/hooks";
import { changeQuery, hrefOf } from "../place/address.ts";
import { clock, count, durationText, percent, WINDOWS } from "../say/units.ts";
import { LEVELS, type Tone } from "../say/words.ts";
import { type Polled, usePolled } from "../wire/polling.ts";
import type { ObjectiveShown, OpenAlerts, Screen } from "../wire/screen-shapes.ts";
import type { SystemStatus } from "../wire/shapes.ts";
import type { Tail, TailState } from "../wire/tail.ts";
import { Icon } from "../parts/icon.tsx";
import { Dot, Pill } from "../parts/small.tsx";
import { pageOf } from "../pages.tsx";
import { SystemPanel } from "./system-panel.tsx";

const LIVE: Record<TailState, { word: string; tone: Tone }> = {
  live: { word: "live", tone: "good" },
  connecting: { word: "connecting", tone: "quiet" },
  lost: { word: "reconnecting", tone: "warn" },
};

const STATUS_EVERY_MS = 5000;
const LAG_TO_MIND_MS = 2000;

/** The tail's state, kept current. */
function useTailState(tail: Tail): TailState {
  const [state, setState] = useState(tail.state());
  useEffect(() => {
    setState(tail.state());
    return tail.onState(setState);
  }, [tail]);
  return state;
}

/** The state in words: what the server says, or that it says nothing any more. */
function stateOf({ data, failure, at_ms }: Polled<Screen>): { word: string; tone: Tone; reason: string } {
  if (failure) {
    const since = at_ms === null ? "" : ` The numbers stand still since ${clock(at_ms)}.`;
    // An answer, even this one, means that the gateway stands: only control is away, and /v1 goes on.
    const isGatewayThere = failure.status > 0;
    return { word: isGatewayThere ? "No news" : "Unreachable", tone: isGatewayThere ? "warn" : "bad", reason: `${failure.message}${failure.hint ? ` ${failure.hint}` : ""}${since}` };
  }
  if (!data) return { word: "Looking", tone: "quiet", reason: "" };
  const { level, reasons } = data.overview.state;
  return { ...LEVELS[level], reason: reasons.join(" · ") || (level === "ok" ? "No trouble seen." : "") };
}

function AlertsFact({ alerts }: { alerts: OpenAlerts }) {
  const tone = alerts.critical > 0 ? "bad" : alerts.open > alerts.acknowledged ? "warn" : "quiet";
  const words = alerts.open === 0 ? "no alerts" : `${count(alerts.open)} ${alerts.open === 1 ? "alert" : "alerts"}`;
  const first = alerts.first.map((alert) => `${alert.severity}: ${alert.summary}`).join("\n");
  const inside = <><Icon name="alert" size={14} />{words}</>;
  if (!pageOf("alerts")) return <span class={`strip-fact tone-${tone}`} title={first || undefined} data-testid="open-alerts">{inside}</span>;
  return <a class={`strip-fact tone-${tone}`} href={hrefOf("alerts")} data-inside title={first || "Alerts"} data-testid="open-alerts">{inside}</a>;
}

/** The objective that is worst off. */
function BudgetFact({ objectives }: { objectives: ObjectiveShown[] }) {
  const known = objectives.filter((one) => one.budget_left !== null).sort((a, b) => (a.budget_left ?? 1) - (b.budget_left ?? 1));
  const worst = known[0];
  if (!worst || worst.budget_left === null) return null;
  const tone: Tone = worst.state === "spent" ? "bad" : worst.state === "burning" ? "warn" : "quiet";
  const title = known.map((one) => `${one.name}: ${percent(one.budget_left)} % of the error budget left${one.burn_rate === null ? "" : `, burning at ${one.burn_rate.toFixed(1)}×`}`).join("\n");
  const inside = <><span class="wide-only">budget </span><b class="num">{worst.budget_left <= 0 ? "spent" : `${percent(worst.budget_left)} %`}</b>{worst.burn_rate !== null && worst.burn_rate > 0 && <span class="num"> {worst.burn_rate.toFixed(1)}×</span>}</>;
  if (!pageOf("objectives")) return <span class={`tone-${tone}`} title={title} data-testid="budget">{inside}</span>;
  return <a class={`strip-fact tone-${tone}`} href={hrefOf("objectives")} data-inside title={title} data-testid="budget"><Icon name="objectives" size={14} />{inside}</a>;
}

export function StatusStrip({ screen, tail, hasWindow, window_s }: { screen: Polled<Screen>; tail: Tail; hasWindow: boolean; window_s: number }) {
  const [isOpen, setOpen] = useState(false);
  const status = usePolled<SystemStatus>(isOpen ? "/api/v1/status" : null, STATUS_EVERY_MS);
  const live = LIVE[useTailState(tail)];
  const state = stateOf(screen);
  const lag_ms = screen.data?.overview.ingest_lag_ms ?? null;
  return (
    <section class="strip-holder" aria-label="State">
      <div class="strip">
        <button type="button" class="strip-state" aria-expanded={isOpen} aria-controls="system-panel" title="Show the processes" onClick={() => setOpen(!isOpen)}>
          <Pill tone={state.tone}>{state.word}</Pill>
          <span class="strip-reason" role="status">{state.reason}</span>
          <Icon name="more" size={12} />
        </button>
        <span class="strip-facts">
          {screen.data && <AlertsFact alerts={screen.data.alerts} />}
          <span class={lag_ms !== null && lag_ms > LAG_TO_MIND_MS ? "tone-warn" : ""} title="How far the numbers are behind the calls">
            <span class="wide-only">ingest </span>lag <b class="num">{durationText(lag_ms)}</b>
          </span>
          {screen.data?.objectives && <BudgetFact objectives={screen.data.objectives} />}
          <span class={`live tone-${live.tone}`} data-testid="live">
            <Dot tone={live.tone} isPulsing={live.tone === "good"} />
            {live.word}
          </span>
        </span>
        {hasWindow && (
          <label class="strip-window">
            <span class="offscreen">Window of time</span>
            <select value={String(window_s)} onChange={(event) => changeQuery({ window: event.currentTarget.value }, false)}>
              {WINDOWS.map((one) => <option key={one.seconds} value={String(one.seconds)}>last {one.short}</option>)}
            </select>
          </label>
        )}
      </div>
      {isOpen && <SystemPanel status={status} />}
    </section>
  );
}
