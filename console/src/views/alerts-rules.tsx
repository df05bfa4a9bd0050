// Rules: what is watched, where each rule comes from, and how its last look went.
import { useState } from "preact/hooks";
import { hrefOf } from "../place/address.ts";
import { conditionOf, KINDS } from "../say/alerts.ts";
import { age } from "../say/units.ts";
import type { RuleRow } from "../wire/alert-shapes.ts";
import { type ApiFailure, ask, asFailure, serverNow } from "../wire/client.ts";
import { usePolled } from "../wire/polling.ts";
import type { Session } from "../wire/shapes.ts";
import { Dialog } from "../parts/dialog.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Pill } from "../parts/small.tsx";

const ORIGINS: Record<RuleRow["origin"], string> = { default: "comes with Pilothouse", configuration: "in the file", stored: "made here" };

function Judged({ rule }: { rule: RuleRow }) {
  if (rule.settings.is_off) return <Pill tone="quiet">off</Pill>;
  if (rule.error) return <Pill tone="bad" title={rule.error}>cannot be judged</Pill>;
  if (rule.judged_at_ms === null) return <Pill tone="quiet">not yet</Pill>;
  return <Pill tone="good">{age(rule.judged_at_ms, serverNow())}</Pill>;
}

function Remove({ rule, onDone, onClose }: { rule: RuleRow; onDone: () => void; onClose: () => void }) {
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const remove = (): void => {
    ask(`/api/v1/alert-rules/${encodeURIComponent(rule.name)}`, { method: "DELETE" }).then(onDone, (thrown: unknown) => setFailure(asFailure(thrown)));
  };
  return (
    <Dialog title={`Delete ${rule.name}?`} onClose={onClose}>
      <p>Its open alerts end.</p>
      {failure && <FailureNotice failure={failure} />}
      <p class="row end">
        <button type="button" class="button" onClick={onClose}>Cancel</button>
        <button type="button" class="button danger" onClick={remove}>Delete</button>
      </p>
    </Dialog>
  );
}

export function RulesView({ session }: { session: Session }) {
  const found = usePolled<{ data: RuleRow[] }>("/api/v1/alert-rules", 5000);
  const [removed, setRemoved] = useState<RuleRow | null>(null);
  const mayChange = session.role === "admin" || session.role === "root";
  const rows = found.data?.data ?? [];
  return (
    <>
      {found.failure && <FailureNotice failure={found.failure} />}
      <div class="wide-table">
        <table class="table cards" data-testid="rules">
          <thead><tr><th scope="col">Rule</th><th scope="col">Watches</th><th scope="col">Alerts when</th><th scope="col">Tells</th><th scope="col">Judged</th><th scope="col"><span class="offscreen">Actions</span></th></tr></thead>
          <tbody>
            {rows.map((rule) => (
              <tr key={rule.name}>
                <th scope="row">{rule.name}<span class="quiet">{ORIGINS[rule.origin]} · {rule.settings.severity ?? "warning"}</span></th>
                <td data-label="Watches">{rule.settings.measure ?? KINDS.find((one) => one.kind === rule.settings.kind)?.word}{rule.settings.by && <span class="quiet"> by {rule.settings.by}</span>}</td>
                <td data-label="Alerts when">{conditionOf(rule.settings, rule.window_s)}</td>
                <td data-label="Tells">{rule.receivers.join(", ") || "nobody"}</td>
                <td data-label="Judged"><Judged rule={rule} /></td>
                <td class="alert-actions">
                  {mayChange && rule.origin === "stored" && (
                    <>
                      <a class="button" href={hrefOf("alerts", {}, ["rules", rule.name])} data-inside aria-label={`Change ${rule.name}`}>Change</a>
                      <button type="button" class="button danger" aria-label={`Delete ${rule.name}`} onClick={() => setRemoved(rule)}>Delete</button>
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {mayChange && <footer class="panel-foot"><a class="button primary" href={hrefOf("alerts", {}, ["new"])} data-inside>New rule</a></footer>}
      {removed && <Remove rule={removed} onDone={() => { setRemoved(null); found.refresh(); }} onClose={() => setRemoved(null)} />}
    </>
  );
}
