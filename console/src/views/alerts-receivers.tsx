// Receivers: who can be told, and a test of each.
import { useState } from "preact/hooks";
import type { ReceiverRow } from "../wire/alert-shapes.ts";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import { usePolled } from "../wire/polling.ts";
import type { Session } from "../wire/shapes.ts";
import { FailureNotice } from "../parts/notice.tsx";

const WAYS: Record<ReceiverRow["kind"], string> = { webhook: "signed webhook", slack: "Slack-compatible webhook", email: "e-mail", pagerduty: "PagerDuty" };
const LINES = `receivers:
  ops: {kind: slack, webhook_url: "\${OPS_WEBHOOK_URL}"}
alerts:
  receivers: [ops]`;

export function ReceiversView({ session }: { session: Session }) {
  const found = usePolled<{ data: ReceiverRow[] }>("/api/v1/receivers", 30_000);
  const [busy, setBusy] = useState<string | null>(null);
  const [told, setTold] = useState<string | null>(null);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const mayTest = session.role === "admin" || session.role === "root";
  const tell = (name: string): void => {
    setBusy(name);
    setTold(null);
    setFailure(null);
    ask(`/api/v1/receivers/${encodeURIComponent(name)}/test`, { method: "POST" }).then(
      () => { setBusy(null); setTold(name); },
      (thrown: unknown) => { setBusy(null); setFailure(asFailure(thrown)); },
    );
  };
  const rows = found.data?.data ?? [];
  const shown = found.failure ?? failure;
  return (
    <>
      {shown && <FailureNotice failure={shown} />}
      {rows.length > 0 && (
        <div class="wide-table">
          <table class="table cards" data-testid="receivers">
            <thead><tr><th scope="col">Name</th><th scope="col">Told by</th><th scope="col"><span class="offscreen">Actions</span></th></tr></thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.name}>
                  <th scope="row">{row.name}</th>
                  <td data-label="Told by">{WAYS[row.kind]}</td>
                  <td class="alert-actions">
                    {told === row.name && <span class="tone-good" role="status">It took the test. </span>}
                    {mayTest && <button type="button" class="button" disabled={busy !== null} aria-label={`Send a test to ${row.name}`} onClick={() => tell(row.name)}>{busy === row.name ? "Telling…" : "Send a test"}</button>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {found.data && rows.length === 0 && (
        <div class="empty">
          <p>Nobody is told yet: alerts are shown here only. Three lines in the configuration change that:</p>
          <pre class="mono alert-lines">{LINES}</pre>
        </div>
      )}
    </>
  );
}
