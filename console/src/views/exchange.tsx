// One question and its answer in the playground, with how fast it came and a link to its record.
import { changeQuery } from "../place/address.ts";
import { count, durationText, rate } from "../say/units.ts";
import type { ChatResult } from "../wire/chat.ts";
import { CopyButton } from "../parts/copy.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import type { Exchange } from "./use-chat.ts";

function Measured({ result, model }: { result: ChatResult; model: string }) {
  const facts = [
    ["first token", durationText(result.first_token_ms)],
    ["tokens/s", rate(result.tokens_per_second)],
    ["tokens", `${count(result.input_tokens)} → ${count(result.output_tokens)}`],
    ["whole", durationText(result.total_ms)],
  ] as const;
  return (
    <p class="measured num" data-testid="measured">
      {facts.map(([name, value]) => (
        <span key={name}><span class="quiet">{name}</span> {value}</span>
      ))}
      {result.isStopped && <span class="tone-warn">stopped</span>}
      {result.finish_reason === "length" && <span class="tone-warn">cut at the token limit</span>}
      <span class="quiet">{model}</span>
      {result.request_id !== null && (
        <button type="button" class="link" onClick={() => changeQuery({ call: result.request_id }, false)}>the record of this call</button>
      )}
    </p>
  );
}

export function ExchangeView({ exchange }: { exchange: Exchange }) {
  const { asked, answer, result, model } = exchange;
  return (
    <article class="exchange" data-testid="exchange">
      <div class="said said-user">{asked}</div>
      <div class={`said said-model${result === null ? " is-coming" : ""}`}>
        {answer}
        {answer === "" && result === null && <span class="quiet">Waiting for the first token…</span>}
        {answer !== "" && result !== null && <CopyButton text={answer} what="the answer" />}
      </div>
      {result?.failure && <FailureNotice failure={result.failure} />}
      {result && <Measured result={result} model={model} />}
    </article>
  );
}
