// What people and applications said of answers, newest first; the words of one item at a time.
import { FailureNotice } from "../parts/notice.tsx";
import { hrefOf } from "../place/address.ts";
import { age, fullMoment } from "../say/units.ts";
import { serverNow } from "../wire/client.ts";
import type { Feedback, FeedbackDetail } from "../wire/metrics-shapes.ts";
import { usePolled } from "../wire/polling.ts";

const POLL_MS = 5000;
const EXAMPLE = `curl $PILOTHOUSE/v1/feedback -H "Authorization: Bearer $KEY" \\
  -d '{"request_id": "<x-request-id>", "thumbs": "up", "text": "Just right."}'`;

function saidOf(item: Feedback): string {
  if (item.kind === "thumbs") return item.value === 1 ? "thumbs up" : "thumbs down";
  if (item.kind === "stars") return `${item.value ?? 0} of 5 stars`;
  if (item.kind === "measure") return `${item.name} = ${item.value ?? "–"}`;
  if (item.kind === "score") return `${item.name === "feedback" ? "score" : item.name} ${item.value ?? "–"}`;
  return item.kind;
}

function Words({ id }: { id: string }) {
  const { data, failure } = usePolled<FeedbackDetail>(`/api/v1/feedback/${encodeURIComponent(id)}`, 60_000);
  if (failure) return <FailureNotice failure={failure} />;
  if (!data) return null;
  if (data.state === "erased") return <p class="quiet">Erased.</p>;
  return (
    <div class="feedback-words" data-testid="feedback-words">
      {data.text !== null && <p>{data.text}</p>}
      {data.correction !== null && <p><span class="quiet">Better: </span>{data.correction}</p>}
    </div>
  );
}

function Row({ item, isOpen, now_ms }: { item: Feedback; isOpen: boolean; now_ms: number }) {
  const tone = item.kind === "thumbs" ? (item.value === 1 ? "tone-good" : "tone-bad") : undefined;
  return (
    <tr>
      <th scope="row">
        <span class={tone}>{saidOf(item)}</span>
        {item.has_words && !isOpen && <a class="link feedback-more" href={hrefOf("measures", {}, ["feedback", item.feedback_id])} data-inside>words</a>}
        {isOpen && <Words id={item.feedback_id} />}
      </th>
      <td data-label="Call">{item.call_id === null ? <span class="quiet" title={item.request_id}>not on record</span> : <a class="link" href={hrefOf("requests", { call: item.call_id })} data-inside>{item.model ?? "the call"}</a>}</td>
      <td data-label="By">{item.key_name ?? item.key_id ?? "–"}</td>
      <td class="num" data-label="When" title={fullMoment(item.at_ms)}>{age(item.at_ms, now_ms)}</td>
    </tr>
  );
}

export function FeedbackTable({ chosen }: { chosen: string | undefined }) {
  const { data, failure } = usePolled<{ data: Feedback[] }>("/api/v1/feedback?limit=100", POLL_MS);
  const now_ms = serverNow();
  return (
    <section class="panel" aria-labelledby="feedback-title">
      <header class="panel-head"><h2 id="feedback-title">Feedback</h2><span class="quiet">newest first</span></header>
      {failure && <FailureNotice failure={failure} />}
      {data && data.data.length === 0 && (
        <div class="empty"><p>Nobody has said anything yet. An application sends feedback with the request id of an answer:</p><pre class="mono metric-example">{EXAMPLE}</pre></div>
      )}
      {data && data.data.length > 0 && (
        <div class="wide-table">
          <table class="table traffic" data-testid="feedback">
            <thead><tr><th scope="col">Said</th><th scope="col">Of a call of</th><th scope="col">By</th><th scope="col" class="num">When</th></tr></thead>
            <tbody>{data.data.map((item) => <Row key={item.feedback_id} item={item} isOpen={item.feedback_id === chosen} now_ms={now_ms} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}
