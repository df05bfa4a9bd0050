// Alerts as a table: the open ones with what can be done, and the past ones a page at a time.
import { useState } from "preact/hooks";
import { hrefOf } from "../place/address.ts";
import { labelsOf, SEVERITY_TONES } from "../say/alerts.ts";
import { age, durationText, fullMoment } from "../say/units.ts";
import type { AlertList, AlertRow } from "../wire/alert-shapes.ts";
import { type ApiFailure, ask, asFailure, serverNow } from "../wire/client.ts";
import { usePolled } from "../wire/polling.ts";
import type { Session } from "../wire/shapes.ts";
import { FailureNotice } from "../parts/notice.tsx";
import { Pill } from "../parts/small.tsx";
import { Acknowledge, Silence } from "./alerts-dialogs.tsx";

const POLL_MS = 3000;
const PAGE = 50;

/** Whether somebody may acknowledge and silence. */
export function mayAct(session: Session): boolean {
  return session.role !== "viewer";
}

export function StateWord({ alert }: { alert: AlertRow }) {
  if (alert.state === "resolved") return <Pill tone="quiet">over</Pill>;
  if (alert.silenced_until_ms !== null) return <Pill tone="quiet" title={`Until ${fullMoment(alert.silenced_until_ms)}`}>silenced</Pill>;
  if (alert.state === "acknowledged") return <Pill tone="accent" title={`By ${alert.acknowledged_by ?? ""}`}>{alert.acknowledged_by ?? "acknowledged"}</Pill>;
  return <Pill tone={alert.state === "open" ? SEVERITY_TONES[alert.severity] : "quiet"}>{alert.state}</Pill>;
}

function Row({ alert, now_ms, onAsk }: { alert: AlertRow; now_ms: number; onAsk?: ((what: "acknowledge" | "silence", alert: AlertRow) => void) | undefined }) {
  const began_ms = alert.opened_at_ms ?? alert.pending_at_ms;
  return (
    <tr data-alert={alert.id}>
      <th scope="row">
        <a href={hrefOf("alerts", {}, [alert.id])} data-inside>{alert.summary}</a>
        <span class="quiet">{[alert.rule, labelsOf(alert)].filter(Boolean).join(" · ")}</span>
      </th>
      <td data-label="Severity"><span class={`tone-${SEVERITY_TONES[alert.severity]}`}>{alert.severity}</span></td>
      <td data-label="State"><StateWord alert={alert} /></td>
      <td data-label="Since" title={fullMoment(began_ms)}>{age(began_ms, now_ms)}</td>
      <td data-label="Lasted">{durationText((alert.resolved_at_ms ?? now_ms) - began_ms)}</td>
      <td class="alert-actions">
        {alert.link && <a class="button" href={insideOf(alert.link)} data-inside>Calls</a>}
        {onAsk && alert.state === "open" && <button type="button" class="button" aria-label={`Acknowledge ${alert.summary}`} onClick={() => onAsk("acknowledge", alert)}>Acknowledge</button>}
        {onAsk && alert.state !== "resolved" && <button type="button" class="button" aria-label={`Silence ${alert.summary}`} onClick={() => onAsk("silence", alert)}>Silence</button>}
      </td>
    </tr>
  );
}

/** The link of an alert as an address of this page, whatever name the server goes by here. */
export function insideOf(link: string): string {
  const url = new URL(link, window.location.origin);
  return url.pathname + url.search;
}

export function AlertTable({ alerts, onAsk }: { alerts: AlertRow[]; onAsk?: ((what: "acknowledge" | "silence", alert: AlertRow) => void) | undefined }) {
  const now_ms = serverNow();
  return (
    <div class="wide-table">
      <table class="table cards" data-testid="alerts">
        <thead>
          <tr>
            <th scope="col">What</th><th scope="col">Severity</th><th scope="col">State</th><th scope="col">Since</th><th scope="col">Lasted</th>
            <th scope="col"><span class="offscreen">Actions</span></th>
          </tr>
        </thead>
        <tbody>{alerts.map((alert) => <Row key={alert.id} alert={alert} now_ms={now_ms} onAsk={onAsk} />)}</tbody>
      </table>
    </div>
  );
}

export function OpenAlertsView({ session }: { session: Session }) {
  const found = usePolled<AlertList>("/api/v1/alerts?state=open", POLL_MS);
  const [asked, setAsked] = useState<{ what: "acknowledge" | "silence"; alert: AlertRow } | null>(null);
  const onDone = (): void => {
    setAsked(null);
    found.refresh();
  };
  const rows = found.data?.data ?? [];
  return (
    <>
      {found.failure && <FailureNotice failure={found.failure} />}
      {rows.length > 0 && <AlertTable alerts={rows} onAsk={mayAct(session) ? (what, alert) => setAsked({ what, alert }) : undefined} />}
      {found.data && rows.length === 0 && (
        <p class="empty">Nothing is wrong that a rule watches. <a href={hrefOf("alerts", {}, ["rules"])} data-inside>See the rules.</a></p>
      )}
      {asked?.what === "acknowledge" && <Acknowledge alert={asked.alert} onDone={onDone} onClose={() => setAsked(null)} />}
      {asked?.what === "silence" && <Silence labels={asked.alert.labels} onDone={onDone} onClose={() => setAsked(null)} />}
    </>
  );
}

export function PastAlertsView() {
  const first = usePolled<AlertList>(`/api/v1/alerts?state=resolved&limit=${PAGE}`, 15_000);
  const [older, setOlder] = useState<AlertRow[]>([]);
  const [next, setNext] = useState<string | null | undefined>(undefined);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const before = next === undefined ? first.data?.next_before ?? null : next;
  const rows = [...(first.data?.data ?? []), ...older];
  const more = (): void => {
    ask<AlertList>(`/api/v1/alerts?state=resolved&limit=${PAGE}&before=${encodeURIComponent(before ?? "")}`).then(
      (page) => {
        setOlder([...older, ...page.data]);
        setNext(page.next_before);
      },
      (thrown: unknown) => setFailure(asFailure(thrown)),
    );
  };
  const shown = first.failure ?? failure;
  return (
    <>
      {shown && <FailureNotice failure={shown} />}
      {rows.length > 0 && <AlertTable alerts={rows} />}
      {first.data && rows.length === 0 && <p class="empty">No alert has ended yet.</p>}
      {before && <footer class="panel-foot"><button type="button" class="button" onClick={more}>Older</button></footer>}
    </>
  );
}
