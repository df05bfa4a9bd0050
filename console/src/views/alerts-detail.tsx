// One alert: what is wrong, the measure around it, what happened, who was told, and what can be done.
import { useState } from "preact/hooks";
import { hrefOf } from "../place/address.ts";
import { DELIVERY_TONES, labelsOf, SEVERITY_TONES } from "../say/alerts.ts";
import { age, durationText, fullMoment } from "../say/units.ts";
import type { AlertDetail, DeliveryRow } from "../wire/alert-shapes.ts";
import { serverNow } from "../wire/client.ts";
import type { Marker, Series } from "../wire/measure-shapes.ts";
import { usePolled } from "../wire/polling.ts";
import type { Session } from "../wire/shapes.ts";
import { SeriesFrame } from "../parts/chart-frame.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Fact, Pill } from "../parts/small.tsx";
import { Acknowledge, Silence } from "./alerts-dialogs.tsx";
import { insideOf, mayAct, StateWord } from "./alerts-list.tsx";

const POLL_MS = 5000;

function seriesOf(detail: AlertDetail): Series | null {
  const { around } = detail;
  if (!around) return null;
  return { measure: around.measure, unit: around.unit, start_ms: around.start_ms, step_ms: around.step_ms, lines: [{ label: null, values: around.values }] };
}

function markersOf(detail: AlertDetail): Marker[] {
  return detail.history.map((change) => ({ at_ms: change.at_ms, kind: "alert", text: change.by ? `${change.what} by ${change.by}` : change.what, link: null }));
}

function Runbook({ text }: { text: string }) {
  return /^https?:\/\/\S+$/.test(text) ? <a href={text} rel="noreferrer">{text}</a> : <>{text}</>;
}

function Deliveries({ rows }: { rows: DeliveryRow[] }) {
  if (rows.length === 0) return <p class="quiet">Nobody was told.</p>;
  const now_ms = serverNow();
  return (
    <ul class="told" data-testid="deliveries">
      {rows.map((row) => (
        <li key={row.id}>
          <Pill tone={DELIVERY_TONES[row.state]}>{row.state}</Pill> <b>{row.receiver}</b> <span>{row.title}</span>
          <span class="quiet" title={fullMoment(row.created_at_ms)}> {age(row.created_at_ms, now_ms)}{row.attempts > 1 ? `, ${row.attempts} tries` : ""}</span>
          {row.last_error && <span class="tone-bad"> {row.last_error}</span>}
        </li>
      ))}
    </ul>
  );
}

export function AlertDetailView({ id, session }: { id: string; session: Session }) {
  const found = usePolled<AlertDetail>(`/api/v1/alerts/${encodeURIComponent(id)}`, POLL_MS);
  const [asked, setAsked] = useState<"acknowledge" | "silence" | null>(null);
  const onDone = (): void => {
    setAsked(null);
    found.refresh();
  };
  const detail = found.data;
  const alert = detail?.alert;
  const began_ms = alert ? alert.opened_at_ms ?? alert.pending_at_ms : 0;
  return (
    <div class="alert-page" data-testid="alert">
      <p><a href={hrefOf("alerts")} data-inside>All alerts</a></p>
      {found.failure && <FailureNotice failure={found.failure} />}
      {detail && alert && (
        <>
          <section class={`panel alert-head severity-${alert.severity}`} aria-labelledby="alert-title">
            <header class="panel-head">
              <h1 id="alert-title">{alert.summary}</h1>
              <StateWord alert={alert} />
            </header>
            <dl class="facts">
              <Fact label="Severity"><span class={`tone-${SEVERITY_TONES[alert.severity]}`}>{alert.severity}</span></Fact>
              <Fact label="Rule"><a href={hrefOf("alerts", {}, ["rules"])} data-inside>{alert.rule}</a></Fact>
              {labelsOf(alert) && <Fact label="Of">{labelsOf(alert)}</Fact>}
              <Fact label="Began">{fullMoment(began_ms)}</Fact>
              <Fact label="Lasted">{durationText((alert.resolved_at_ms ?? serverNow()) - began_ms)}</Fact>
              <Fact label="Told to">{alert.receivers.join(", ") || "nobody"}</Fact>
            </dl>
            {alert.runbook && <p class="runbook"><b>What to do.</b> <Runbook text={alert.runbook} /></p>}
            <p class="row panel-foot">
              {alert.link && <a class="button primary" href={insideOf(alert.link)} data-inside>The calls behind it</a>}
              {mayAct(session) && alert.state === "open" && <button type="button" class="button" onClick={() => setAsked("acknowledge")}>Acknowledge</button>}
              {mayAct(session) && alert.state !== "resolved" && <button type="button" class="button" onClick={() => setAsked("silence")}>Silence</button>}
            </p>
          </section>
          {seriesOf(detail) && <SeriesFrame title="Around it" series={seriesOf(detail)} markers={markersOf(detail)} limit={alert.threshold} />}
          <div class="two alert-two">
            <section class="panel" aria-labelledby="history-title">
              <header class="panel-head"><h2 id="history-title">What happened</h2></header>
              <ol class="told" data-testid="history">
                {detail.history.map((change) => (
                  <li key={`${change.at_ms}${change.what}`}>
                    <b>{change.what}</b>{change.by && <> by {change.by}</>} <span class="quiet">{fullMoment(change.at_ms)}</span>
                    {change.note && <p>{change.note}</p>}
                  </li>
                ))}
              </ol>
            </section>
            <section class="panel" aria-labelledby="told-title">
              <header class="panel-head"><h2 id="told-title">Who was told</h2></header>
              <Deliveries rows={detail.deliveries} />
            </section>
          </div>
          {asked === "acknowledge" && <Acknowledge alert={alert} onDone={onDone} onClose={() => setAsked(null)} />}
          {asked === "silence" && <Silence labels={alert.labels} onDone={onDone} onClose={() => setAsked(null)} />}
        </>
      )}
    </div>
  );
}
