// One call, in a drawer over the list: what went in, what came out, how long each part took.
// Invariant: what a person or a model wrote is put on the page as text nodes, never as markup.
import { useEffect, useRef, useState } from "preact/hooks";
import { changeQuery } from "../place/address.ts";
import { useKeys } from "../place/keyboard.ts";
import { fullMoment } from "../say/units.ts";
import { operationOf, toneOf } from "../say/words.ts";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { CallDetail } from "../wire/shapes.ts";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Pill } from "../parts/small.tsx";
import { CallFacts, CallIds, CallParameters, RawJson } from "./call-facts.tsx";
import { Conversation } from "./conversation.tsx";
import { Waterfall } from "./waterfall.tsx";

const RETRIES = 8;
const RETRY_MS = 400;

/** Fetches the call; one that has only just ended may not be on record yet, so a 404 is asked again for a while. */
function useCall(id: string): { call: CallDetail | null; failure: ApiFailure | null; isAwaited: boolean } {
  const [call, setCall] = useState<CallDetail | null>(null);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [isAwaited, setAwaited] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const look = (left: number): void => {
      ask<CallDetail>(`/api/v1/requests/${encodeURIComponent(id)}`, { signal: abort.signal }).then(setCall, (thrown: unknown) => {
        const failed = asFailure(thrown);
        if (!failed) return;
        const isYoung = failed.status === 404 && left > 0;
        setAwaited(isYoung);
        if (isYoung) timer = window.setTimeout(() => look(left - 1), RETRY_MS);
        else setFailure(failed);
      });
    };
    look(RETRIES);
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [id]);
  return { call, failure, isAwaited };
}

function Details({ call }: { call: CallDetail }) {
  return (
    <>
      {call.error_message && (
        <div class={`notice tone-${toneOf(call)}`}>
          <Icon name="warn" />
          <div>
            <p>{call.error_message}</p>
            <p class="notice-hint mono">{[call.error_type, call.error_code].filter(Boolean).join(" · ")}</p>
          </div>
        </div>
      )}
      <CallFacts call={call} />
      <Waterfall call={call} />
      <Conversation call={call} />
      <CallParameters call={call} />
      <CallIds call={call} />
      <RawJson call={call} />
    </>
  );
}

export function CallDrawer({ id }: { id: string }) {
  const { call, failure, isAwaited } = useCall(id);
  const heading = useRef<HTMLHeadingElement>(null);
  const close = (): void => changeQuery({ call: null });
  useKeys({ Escape: close });
  useEffect(() => heading.current?.focus(), []);

  return (
    <section class="drawer" role="dialog" aria-modal="false" aria-labelledby="call-title" data-testid="call-drawer">
      <header class="drawer-head">
        <div>
          <h2 id="call-title" ref={heading} tabIndex={-1}>
            {call ? <span class="drawer-model">{call.model ?? "no model"}</span> : "Call"}
          </h2>
          {call && (
            <p class="drawer-sub">
              <Pill tone={toneOf(call)}>{call.status} {call.outcome}</Pill>
              <span class="quiet num">{operationOf(call)} · {fullMoment(call.at_ms)}</span>
            </p>
          )}
        </div>
        <button type="button" class="button icon-only plain" aria-label="Close" title="Close (Esc)" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="drawer-body" tabIndex={0} role="region" aria-label="Details of the call">
        {failure && <FailureNotice failure={failure} />}
        {!call && !failure && <p class="quiet" role="status">{isAwaited ? "Being recorded…" : "Loading…"}</p>}
        {call && <Details call={call} />}
      </div>
    </section>
  );
}
