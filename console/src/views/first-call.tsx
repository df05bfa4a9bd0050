// What stands where calls would stand before there are any: lines to paste, and a button that makes the first one.
import { useState } from "preact/hooks";
import { firstCall } from "../say/snippets.ts";
import { durationText } from "../say/units.ts";
import type { ApiFailure } from "../wire/client.ts";
import { streamChat } from "../wire/chat.ts";
import { CopyButton } from "../parts/copy.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { hrefOf } from "../place/address.ts";

const TEST_TOKENS = 24;

export function FirstCall({ model }: { model: string | null }) {
  const snippets = firstCall(window.location.origin, model ?? "MODEL");
  const [name, setName] = useState("openai SDK");
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const shown = snippets.find((snippet) => snippet.name === name) ?? snippets[0];

  const send = async (): Promise<void> => {
    if (model === null) return;
    setBusy(true);
    setFailure(null);
    const asked = { model, max_tokens: TEST_TOKENS, messages: [{ role: "user" as const, content: "Say hello in one short sentence." }] };
    const result = await streamChat(asked, () => undefined, new AbortController().signal);
    setBusy(false);
    setFailure(result.failure);
    setSaid(result.failure ? null : `First token after ${durationText(result.first_token_ms)}.`);
  };

  return (
    <div class="first-call" data-testid="first-call">
      <p>
        <b>No calls yet.</b> Send one from here, or paste these lines where your program runs. A key comes from <a href={hrefOf("keys")} data-inside>Keys</a>.
      </p>
      <div class="snippet">
        <div class="snippet-head">
          {snippets.map((snippet) => (
            <button type="button" key={snippet.name} class="snippet-tab" aria-pressed={snippet.name === name} onClick={() => setName(snippet.name)}>{snippet.name}</button>
          ))}
          <CopyButton text={shown?.lines ?? ""} what={`the ${name} lines`} label="Copy" />
        </div>
        <pre class="mono" tabIndex={0}>{shown?.lines}</pre>
      </div>
      <p class="row">
        <button type="button" class="button primary" disabled={isBusy || model === null} onClick={() => void send()}>
          {isBusy ? "Sending…" : "Send a test request"}
        </button>
        {said && <span class="quiet" role="status">{said}</span>}
      </p>
      {failure && <FailureNotice failure={failure} />}
    </div>
  );
}
