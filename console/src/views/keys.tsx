// API keys: who may call, made here, shown once, replaced or ended.
import { useState } from "preact/hooks";
import { age, count, fullMoment, usd } from "../say/units.ts";
import type { Tone } from "../say/words.ts";
import { usePolled } from "../wire/polling.ts";
import type { KeyRow, NewKey, Session } from "../wire/shapes.ts";
import type { Limits } from "../wire/traffic-shapes.ts";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Pill } from "../parts/small.tsx";
import { openView } from "../place/address.ts";
import { ChangeLimits, CreateKey, RevokeKey, RotateKey, ShownOnce } from "./key-dialogs.tsx";

const POLL_MS = 10_000;

type Asked = { what: "create" } | { what: "revoke" | "rotate" | "limits"; row: KeyRow } | { what: "shown"; made: NewKey } | null;

function stateOf(row: KeyRow, now_ms: number): { word: string; tone: Tone } {
  if (row.revoked_at_ms !== null && row.revoked_at_ms <= now_ms) return { word: "revoked", tone: "quiet" };
  if (row.revoked_at_ms !== null) return { word: `ends ${age(row.revoked_at_ms, now_ms)}`, tone: "warn" };
  if (row.expires_at_ms !== null && row.expires_at_ms <= now_ms) return { word: "expired", tone: "quiet" };
  return { word: "active", tone: "good" };
}

/** "60/min, $5 a day", or a dash. */
function limitsText(limits: Limits): string {
  const said = [
    limits.requests_per_minute === null ? null : `${count(limits.requests_per_minute)}/min`,
    limits.tokens_per_minute === null ? null : `${count(limits.tokens_per_minute)} tokens/min`,
    limits.concurrency === null ? null : `${count(limits.concurrency)} at once`,
    limits.budget_day_usd === null ? null : `${usd(limits.budget_day_usd)} a day`,
    limits.budget_month_usd === null ? null : `${usd(limits.budget_month_usd)} a month`,
  ];
  return said.filter((part) => part !== null).join(", ") || "–";
}

function Row({ row, mayManage, onAsk }: { row: KeyRow; mayManage: boolean; onAsk: (asked: Asked) => void }) {
  const now_ms = Date.now();
  const state = stateOf(row, now_ms);
  const isLive = state.word !== "revoked" && state.word !== "expired";
  return (
    <tr class={isLive ? "" : "is-ended"} data-key={row.id}>
      <th scope="row">
        <button type="button" class="link" title="Show its calls" onClick={() => openView("requests", { key_id: row.id })}>{row.name || row.id}</button>
        <span class="quiet mono">{row.prefix}</span>
      </th>
      <td data-label="State"><Pill tone={state.tone}>{state.word}</Pill></td>
      <td data-label="Role">{row.role}</td>
      <td data-label="Team">{row.team ?? "–"}</td>
      <td data-label="Models">{row.models === null ? "all" : row.models.join(", ") || "none"}</td>
      <td data-label="Limits">{limitsText(row.limits)}{row.priority !== "normal" && <span class="quiet"> {row.priority} priority</span>}</td>
      <td data-label="Last used" title={row.last_used_at_ms === null ? "" : fullMoment(row.last_used_at_ms)}>{row.last_used_at_ms === null ? "never" : age(row.last_used_at_ms, now_ms)}</td>
      <td data-label="Made" title={fullMoment(row.created_at_ms)}>{age(row.created_at_ms, now_ms)}</td>
      <td data-label="Expires">{row.expires_at_ms === null ? "never" : fullMoment(row.expires_at_ms)}</td>
      <td class="key-actions">
        {mayManage && isLive && (
          <>
            <button type="button" class="button" aria-label={`Change the limits of ${row.name}`} onClick={() => onAsk({ what: "limits", row })}>Limits</button>
            <button type="button" class="button" aria-label={`Rotate ${row.name}`} onClick={() => onAsk({ what: "rotate", row })}>Rotate</button>
            <button type="button" class="button danger" aria-label={`Revoke ${row.name}`} onClick={() => onAsk({ what: "revoke", row })}>Revoke</button>
          </>
        )}
      </td>
    </tr>
  );
}

export function Keys({ session }: { session: Session }) {
  const keys = usePolled<{ data: KeyRow[] }>("/api/v1/keys", POLL_MS);
  const [asked, setAsked] = useState<Asked>(null);
  const [isAllShown, setAllShown] = useState(false);
  const mayManage = session.role === "admin" || session.role === "root";
  const rows = keys.data?.data ?? [];
  const ended = rows.filter((row) => row.revoked_at_ms !== null && row.revoked_at_ms <= Date.now());
  const shown = isAllShown ? rows : rows.filter((row) => !ended.includes(row));
  const onMade = (made: NewKey): void => {
    keys.refresh();
    setAsked({ what: "shown", made });
  };
  const onDone = (): void => {
    keys.refresh();
    setAsked(null);
  };
  const onClose = (): void => setAsked(null);

  return (
    <section class="panel" aria-labelledby="keys-title">
      <header class="panel-head">
        <h1 id="keys-title">Keys</h1>
        <button type="button" class="button primary" disabled={!mayManage} title={mayManage ? "" : "Needs the role admin"} onClick={() => setAsked({ what: "create" })}>
          <Icon name="keys" />
          New key
        </button>
      </header>
      {keys.failure && <FailureNotice failure={keys.failure} />}
      {shown.length > 0 && (
        <div class="wide-table"><table class="table keys" data-testid="keys">
          <thead>
            <tr>
              <th scope="col">Name</th><th scope="col">State</th><th scope="col">Role</th><th scope="col">Team</th><th scope="col">Models</th><th scope="col">Limits</th>
              <th scope="col">Last used</th><th scope="col">Made</th><th scope="col">Expires</th><th scope="col"><span class="offscreen">Actions</span></th>
            </tr>
          </thead>
          <tbody>{shown.map((row) => <Row key={row.id} row={row} mayManage={mayManage} onAsk={setAsked} />)}</tbody>
        </table></div>
      )}
      {keys.data && shown.length === 0 && <p class="empty">No keys yet. Programs that call the models each get one of their own.</p>}
      {ended.length > 0 && (
        <footer class="panel-foot">
          <button type="button" class="button" onClick={() => setAllShown(!isAllShown)}>{isAllShown ? "Hide" : "Show"} {ended.length} revoked</button>
        </footer>
      )}
      {asked?.what === "create" && <CreateKey mayMakeAdmin={mayManage} onMade={onMade} onClose={onClose} />}
      {asked?.what === "rotate" && <RotateKey row={asked.row} onMade={onMade} onClose={onClose} />}
      {asked?.what === "limits" && <ChangeLimits row={asked.row} onDone={onDone} onClose={onClose} />}
      {asked?.what === "revoke" && <RevokeKey row={asked.row} onDone={onDone} onClose={onClose} />}
      {asked?.what === "shown" && <ShownOnce made={asked.made} onClose={onClose} />}
    </section>
  );
}
