// Conversations: those that went on lately, and one with its turns in order.
// Refuses to know how a call got its conversation. Invariant: words are text nodes, never markup.
import { useEffect, useState } from "preact/hooks";
import type { Place } from "../pages.tsx";
import { changeQuery, hrefOf } from "../place/address.ts";
import { requestTurns, responseTurns } from "../say/messages.ts";
import { count, durationText, fullMoment, moment, usd } from "../say/units.ts";
import { shortId } from "../say/words.ts";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { ConversationDetail, ConversationPage, ConversationRow, ConversationTurn } from "../wire/traces-shapes.ts";
import { CopyButton } from "../parts/copy.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Dot } from "../parts/small.tsx";
import { TurnView } from "./conversation.tsx";
import { FirstCall } from "./first-call.tsx";
import "../styles/traces.css";

function useAsked<T>(path: string): { data: T | null; failure: ApiFailure | null } {
  const [data, setData] = useState<T | null>(null);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    setData(null);
    setFailure(null);
    ask<T>(path, { signal: abort.signal }).then(setData, (thrown: unknown) => setFailure(asFailure(thrown)));
    return () => abort.abort();
  }, [path]);
  return { data, failure };
}

function Row({ row }: { row: ConversationRow }) {
  return (
    <tr>
      <td class="num t-time" title={fullMoment(row.last_ms)}>{moment(row.last_ms, Date.now())}</td>
      <td><a class="mono" href={hrefOf("conversations", { at_ms: String(row.last_ms) }, [row.conversation_id])} data-inside title={row.conversation_id}>{shortId(row.conversation_id)}</a></td>
      <td>{row.model ?? "–"}</td>
      <td class="c-key">{row.key_name ?? row.key_id ?? "–"}</td>
      <td class="num">{count(row.turns)}</td>
      <td class="num">{row.errors > 0 ? <span class="tone-bad">{count(row.errors)}</span> : "0"}</td>
      <td class="num">{count(row.tokens)}</td>
      <td class="num">{usd(row.cost_usd)}</td>
    </tr>
  );
}

function List({ query, screen }: Place) {
  const before = query.get("before");
  const { data, failure } = useAsked<ConversationPage>(`/api/v1/conversations${before ? `?before=${encodeURIComponent(before)}` : ""}`);
  const first = screen.data?.models.find((model) => model.kind === "chat")?.model ?? null;
  return (
    <section class="panel" aria-labelledby="conversations-title">
      <header class="panel-head"><h1 id="conversations-title">Conversations</h1></header>
      {failure && <FailureNotice failure={failure} />}
      {!data && !failure && <p class="empty quiet" aria-busy="true">Looking…</p>}
      {data && data.data.length === 0 && <FirstCall model={first} />}
      {data && data.data.length > 0 && (
        <table class="table conversations" data-testid="conversations">
          <thead>
            <tr>
              <th scope="col">Latest turn</th><th scope="col">Conversation</th><th scope="col">Model</th><th scope="col" class="c-key">Key</th>
              <th scope="col" class="num">Turns</th><th scope="col" class="num">Failed</th><th scope="col" class="num">Tokens</th><th scope="col" class="num">Cost</th>
            </tr>
          </thead>
          <tbody>{data.data.map((row) => <Row key={row.conversation_id} row={row} />)}</tbody>
        </table>
      )}
      <footer class="panel-foot">
        <span class="quiet num">{count(data?.data.length ?? 0)} shown</span>
        {before && <button type="button" class="button" onClick={() => changeQuery({ before: null }, false)}>Latest</button>}
        {data?.next_before && <button type="button" class="button" onClick={() => changeQuery({ before: data.next_before }, false)}>Older</button>}
      </footer>
    </section>
  );
}

const STATES: Partial<Record<ConversationTurn["content"]["state"], string>> = {
  none: "The words of this turn are not on record.",
  erased: "The words of this turn have been erased.",
  left_out: "This conversation has more words than are sent at once: open the trace.",
};

/** The messages of a turn that the turn before has not shown already: clients send the whole history again. */
function freshTurns(turn: ConversationTurn, shown: number): ReturnType<typeof requestTurns> {
  const all = requestTurns(turn.content.request);
  return all.slice(shown < all.length ? shown : -1);
}

function Turns({ detail }: { detail: ConversationDetail }) {
  let shown = 0;
  return (
    <ol class="turns-talk" aria-label="Turns">
      {detail.turns.map((turn, at) => {
        const fresh = freshTurns(turn, shown);
        const answers = responseTurns(turn.content.response);
        shown = requestTurns(turn.content.request).length + (answers.length > 0 ? 1 : 0);
        return (
          <li key={turn.call_id ?? `${turn.trace_id}${turn.span_id ?? at}`} class="talk-turn">
            <p class="talk-head num">
              <Dot tone={turn.is_error ? "bad" : "good"} />
              <a href={hrefOf("traces", { at_ms: String(turn.at_ms) }, [turn.trace_id])} data-inside>{moment(turn.at_ms, Date.now())}</a>
              <span class="quiet">{turn.model ?? ""} · {durationText(turn.duration_ms)} · {count(turn.input_tokens)} → {count(turn.output_tokens)} tokens · {usd(turn.cost_usd)}</span>
            </p>
            {STATES[turn.content.state] && <p class="quiet">{STATES[turn.content.state]}</p>}
            <ol class="turns">{[...fresh, ...answers].map((one, index) => <TurnView key={index} turn={one} />)}</ol>
          </li>
        );
      })}
    </ol>
  );
}

function One({ id, query }: { id: string; query: URLSearchParams }) {
  const at_ms = query.get("at_ms");
  const { data, failure } = useAsked<ConversationDetail>(`/api/v1/conversations/${encodeURIComponent(id)}${at_ms ? `?at_ms=${encodeURIComponent(at_ms)}` : ""}`);
  return (
    <section class="panel" aria-labelledby="talk-title">
      <header class="panel-head">
        <a class="button icon-only plain" href={hrefOf("conversations")} data-inside aria-label="Back to the conversations"><span aria-hidden="true">←</span></a>
        <h1 id="talk-title">Conversation</h1>
        <span class="mono quiet trace-id" title={id}>{id}</span>
        <CopyButton text={window.location.href} what="a link to this conversation" label="Link" />
      </header>
      {failure && <FailureNotice failure={failure} />}
      {!data && !failure && <p class="empty quiet" aria-busy="true">Loading…</p>}
      {data?.is_cut && <p class="quiet trace-note">Earlier turns are not shown.</p>}
      {data && <Turns detail={data} />}
    </section>
  );
}

export function ConversationsView(place: Place) {
  const [id] = place.rest;
  return id ? <One key={id} id={id} query={place.query} /> : <List {...place} />;
}
