// Silences: what is kept quiet, until when and why.
import { useState } from "preact/hooks";
import { age, fullMoment, remaining } from "../say/units.ts";
import type { SilenceRow } from "../wire/alert-shapes.ts";
import { type ApiFailure, ask, asFailure, serverNow } from "../wire/client.ts";
import { usePolled } from "../wire/polling.ts";
import type { Session } from "../wire/shapes.ts";
import { FailureNotice } from "../parts/notice.tsx";
import { Silence } from "./alerts-dialogs.tsx";
import { mayAct } from "./alerts-list.tsx";

const BLANK = { rule: "", model: "" };

export function SilencesView({ session }: { session: Session }) {
  const found = usePolled<{ data: SilenceRow[] }>("/api/v1/silences", 5000);
  const [isMaking, setMaking] = useState(false);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const now_ms = serverNow();
  const end = (row: SilenceRow): void => {
    ask(`/api/v1/silences/${row.id}`, { method: "DELETE" }).then(() => found.refresh(), (thrown: unknown) => setFailure(asFailure(thrown)));
  };
  const shown = found.failure ?? failure;
  const rows = found.data?.data ?? [];
  return (
    <>
      {shown && <FailureNotice failure={shown} />}
      {rows.length > 0 && (
        <div class="wide-table">
          <table class="table cards" data-testid="silences">
            <thead><tr><th scope="col">Alerts with</th><th scope="col">Reason</th><th scope="col">Ends</th><th scope="col">By</th><th scope="col"><span class="offscreen">Actions</span></th></tr></thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.id}>
                  <th scope="row">{Object.entries(row.matchers).map(([name, value]) => `${name} ${value}`).join(", ")}</th>
                  <td data-label="Reason">{row.reason}</td>
                  <td data-label="Ends" title={fullMoment(row.ends_at_ms)}>{row.starts_at_ms > now_ms ? `from ${fullMoment(row.starts_at_ms)}` : `in ${remaining((row.ends_at_ms - now_ms) / 1000)}`}</td>
                  <td data-label="By">{row.created_by ?? "–"}, {age(row.created_at_ms, now_ms)}</td>
                  <td class="alert-actions">{mayAct(session) && <button type="button" class="button" onClick={() => end(row)}>End it</button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {found.data && rows.length === 0 && <p class="empty">Nothing is silenced.</p>}
      {mayAct(session) && <footer class="panel-foot"><button type="button" class="button" onClick={() => setMaking(true)}>New silence</button></footer>}
      {isMaking && <Silence labels={BLANK} onDone={() => { setMaking(false); found.refresh(); }} onClose={() => setMaking(false)} />}
    </>
  );
}
