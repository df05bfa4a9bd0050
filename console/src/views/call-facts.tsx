// The facts of one call beside its words: tokens, cost, parameters, identifiers, and the whole as JSON.
import { changeQuery, openView } from "../place/address.ts";
import { bytes, count, durationText, rate, UNKNOWN, usd } from "../say/units.ts";
import { dialectOf } from "../say/words.ts";
import { pretty } from "../say/messages.ts";
import type { CallDetail } from "../wire/shapes.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Fact } from "../parts/small.tsx";

export function CallFacts({ call }: { call: CallDetail }) {
  const aside = [
    call.cached_tokens ? `${count(call.cached_tokens)} cached` : null,
    call.reasoning_tokens ? `${count(call.reasoning_tokens)} reasoning` : null,
  ].filter((part) => part !== null);
  return (
    <dl class="facts call-facts num">
      <Fact label="Duration">{durationText(call.duration_ms)}</Fact>
      <Fact label="First token">{durationText(call.first_token_ms)}</Fact>
      <Fact label="Tokens/s">{rate(call.tokens_per_second)}</Fact>
      <Fact label="Tokens in">
        {count(call.input_tokens)}
        {aside.length > 0 && <span class="quiet"> {aside.join(", ")}</span>}
      </Fact>
      <Fact label="Tokens out">{count(call.output_tokens)}</Fact>
      <Fact label="Cost">
        {call.cost_usd !== null ? usd(call.cost_usd) : call.input_tokens === null && call.output_tokens === null ? UNKNOWN : "unpriced"}
        {call.price_source && <span class="quiet fact-aside"> {call.price_source}</span>}
      </Fact>
      {call.saved_usd !== null && <Fact label="Cache saved">{usd(call.saved_usd)}</Fact>}
      <Fact label="Dialect">{dialectOf(call.dialect)}</Fact>
      {call.cache !== null && <Fact label="Cache">{call.cache}</Fact>}
      {call.experiment !== null && <Fact label="Experiment">{call.experiment}<span class="quiet"> arm </span>{call.arm}</Fact>}
      {call.priority !== "normal" && <Fact label="Priority">{call.priority}</Fact>}
      {call.logprob_mean !== null && (
        <Fact label="Log-probability">
          {call.logprob_mean.toFixed(2)}<span class="quiet"> mean, {call.logprob_min?.toFixed(2) ?? "–"} least</span>
        </Fact>
      )}
      {call.finish_reasons.length > 0 && <Fact label="Finished">{call.finish_reasons.join(", ")}</Fact>}
      <Fact label="Bytes">{bytes(call.request_bytes)}<span class="quiet"> in, </span>{bytes(call.response_bytes)}<span class="quiet"> out</span></Fact>
    </dl>
  );
}

export function CallParameters({ call }: { call: CallDetail }) {
  const given = Object.entries(call.parameters ?? {}).filter(([, value]) => value !== null && value !== undefined);
  if (given.length === 0) return null;
  return (
    <section class="block" aria-labelledby="parameters-title">
      <h3 id="parameters-title">Parameters</h3>
      <dl class="facts num">
        {given.map(([name, value]) => (
          <Fact key={name} label={name}>{typeof value === "object" ? pretty(value) : String(value)}</Fact>
        ))}
      </dl>
    </section>
  );
}

function Id({ name, value, onShow, words }: { name: string; value: string | null; onShow?: () => void; words?: string }) {
  if (!value) return null;
  return (
    <div class="id-row">
      <dt>{name}</dt>
      <dd>
        <span class="mono id-text">{value}</span>
        {onShow && <button type="button" class="link" onClick={onShow}>{words}</button>}
        <CopyButton text={value} what={name} />
      </dd>
    </div>
  );
}

export function CallIds({ call }: { call: CallDetail }) {
  const only = (name: string, value: string | null) => (): void => {
    if (value !== null) openView("requests", { [name]: value });
  };
  return (
    <section class="block" aria-labelledby="ids-title">
      <h3 id="ids-title">Identity</h3>
      <dl class="ids">
        <Id name="Request" value={call.request_id} />
        <Id name="Call" value={call.call_id} />
        <Id name="Shadow of" value={call.shadow_of} onShow={() => changeQuery({ call: call.shadow_of })} words="the call" />
        <Id name="Conversation" value={call.conversation_id} onShow={only("conversation_id", call.conversation_id)} words="its calls" />
        <Id name="Trace" value={call.trace_id} onShow={() => openView("traces", { at_ms: String(call.at_ms) }, [call.trace_id ?? ""])} words="the trace" />
        <Id name="Key" value={call.key_id} onShow={only("key_id", call.key_id)} words={`calls of ${call.key_name ?? "this key"}`} />
        <Id name="Team" value={call.team} />
        <Id name="Purpose" value={call.purpose} />
        <Id name="Data subject" value={call.subject} />
        <Id name="Deployment" value={call.deployment} />
        <Id name="Model answered" value={call.model_answered} />
      </dl>
    </section>
  );
}

export function RawJson({ call }: { call: CallDetail }) {
  const text = pretty(call);
  return (
    <details class="block raw">
      <summary>Raw JSON</summary>
      <div class="raw-actions">
        <CopyButton text={text} what="the record as JSON" label="Copy" />
        <button type="button" class="link" onClick={() => changeQuery({ call: call.call_id })}>Link by call id</button>
      </div>
      <pre class="mono" tabIndex={0}>{text}</pre>
    </details>
  );
}
