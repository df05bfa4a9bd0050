// Who answered and who did not in the last day, told apart by whose fault it was.
import { FailureNotice } from "../parts/notice.tsx";
import { changeQuery } from "../place/address.ts";
import { count } from "../say/units.ts";
import type { Availability, AvailabilityList } from "../wire/metrics-shapes.ts";
import { usePolled } from "../wire/polling.ts";

const POLL_MS = 15_000;
const BYS = ["model", "deployment", "provider", "key", "team", "operation"];

function Row({ row, isWhole = false }: { row: Availability; isWhole?: boolean }) {
  const fault = (value: number): "tone-bad" | "quiet" => (value > 0 ? "tone-bad" : "quiet");
  return (
    <tr class={isWhole ? "is-whole" : undefined}>
      <th scope="row">{isWhole ? "All" : (row.name ?? row.label)}</th>
      <td class="num" data-label="Availability">{row.availability === null ? "–" : `${String(Number((row.availability * 100).toFixed(3)))} %`}</td>
      <td class="num" data-label="Calls">{count(row.calls)}</td>
      <td class="num" data-label="Answered">{count(row.answered)}</td>
      <td class="num" data-label="Our errors"><span class={fault(row.our_errors)}>{count(row.our_errors)}</span></td>
      <td class="num" data-label="Providers’ errors"><span class={fault(row.provider_errors)}>{count(row.provider_errors)}</span></td>
      <td class="num" data-label="Guardrails">{count(row.guardrail_blocks)}</td>
      <td class="num" data-label="Callers’ errors">{count(row.client_errors)}</td>
    </tr>
  );
}

export function AvailabilityTable({ by }: { by: string }) {
  const { data, failure } = usePolled<AvailabilityList>(`/api/v1/availability?by=${encodeURIComponent(by)}`, POLL_MS);
  return (
    <section class="panel" aria-labelledby="availability-title">
      <header class="panel-head">
        <h2 id="availability-title">Availability</h2>
        <span class="quiet">the last 24 hours</span>
        <label class="measure-pick"><select aria-label="Told apart by" value={by} onChange={(event) => changeQuery({ by: event.currentTarget.value })}>{BYS.map((one) => <option key={one} value={one}>by {one}</option>)}</select></label>
      </header>
      {failure && <FailureNotice failure={failure} />}
      {data && data.data.length === 0 && <p class="empty">There was no call in the last 24 hours.</p>}
      {data && data.data.length > 0 && (
        <div class="wide-table">
          <table class="table traffic" data-testid="availability">
            <thead>
              <tr>
                <th scope="col">{by}</th><th scope="col" class="num">Availability</th><th scope="col" class="num">Calls</th><th scope="col" class="num">Answered</th><th scope="col" class="num">Our errors</th>
                <th scope="col" class="num">Providers’ errors</th><th scope="col" class="num">Guardrails</th><th scope="col" class="num">Callers’ errors</th>
              </tr>
            </thead>
            <tbody>
              {data.data.map((row) => <Row key={row.label} row={row} />)}
              <Row row={data.whole} isWhole />
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
