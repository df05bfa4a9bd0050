// Experiments of the last day, arm beside arm. Refuses to say which is better: that takes a test.
import { count, durationText, percent, usd } from "../say/units.ts";
import { usePolled } from "../wire/polling.ts";
import type { ArmNumbers, ExperimentNumbers } from "../wire/traffic-shapes.ts";

const POLL_MS = 10_000;

/** Cost of one call on average; unknown where a call had no price. */
function costOf(arm: ArmNumbers): string {
  if (arm.cost_usd === null || arm.unpriced_calls > 0) return "unpriced";
  return usd(arm.cost_usd / arm.calls);
}

function Arms({ of }: { of: ExperimentNumbers }) {
  return (
    <tbody>
      {of.arms.map((arm) => (
        <tr key={arm.arm}>
          <th scope="row">{arm.arm}<span class="quiet">{of.experiment} of {of.model}</span></th>
          <td class="num" data-label="Calls">{count(arm.calls)}</td>
          <td class="num" data-label="Conversations">{count(arm.conversations)}</td>
          <td class="num" data-label="Errors">{percent(arm.error_rate)} %</td>
          <td class="num" data-label="First token p95">{durationText(arm.first_token_p95_ms)}</td>
          <td class="num" data-label="Latency p95">{durationText(arm.latency_p95_ms)}</td>
          <td class="num" data-label="Tokens out">{arm.output_tokens_mean === null ? "–" : count(Math.round(arm.output_tokens_mean))}</td>
          <td class="num" data-label="Cost a call">{costOf(arm)}</td>
        </tr>
      ))}
    </tbody>
  );
}

/** Nothing where there was no experiment. */
export function Experiments() {
  const { data } = usePolled<{ data: ExperimentNumbers[] }>("/api/v1/experiments?window_s=86400", POLL_MS);
  if (!data || data.data.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="experiments-title">
      <header class="panel-head">
        <h2 id="experiments-title">Experiments</h2>
        <span class="quiet">the last 24 hours</span>
      </header>
      <div class="wide-table">
        <table class="table traffic" data-testid="experiments">
          <thead>
            <tr>
              <th scope="col">Arm</th><th scope="col" class="num">Calls</th><th scope="col" class="num">Conversations</th><th scope="col" class="num">Errors</th>
              <th scope="col" class="num">First token <small>p95</small></th><th scope="col" class="num">Latency <small>p95</small></th>
              <th scope="col" class="num">Tokens out <small>mean</small></th><th scope="col" class="num">Cost a call</th>
            </tr>
          </thead>
          {data.data.map((one) => <Arms key={`${one.model} ${one.experiment}`} of={one} />)}
        </table>
      </div>
    </section>
  );
}
