// A place to talk to a model and see how fast it answers. Its calls are on record like any other.
import { useEffect, useRef, useState } from "preact/hooks";
import { changeQuery } from "../place/address.ts";
import { usePolled } from "../wire/polling.ts";
import type { ModelRow, OpenAiModel } from "../wire/shapes.ts";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { ExchangeView } from "./exchange.tsx";
import { useChat } from "./use-chat.ts";

const POLL_MS = 30_000;
const DEFAULT_MAX_TOKENS = "256";
const DEFAULT_TEMPERATURE = "0.7";
const IDEAS = ["Explain in two sentences what a pilothouse is.", "Write a haiku about the open sea.", "List three checks before a ship sails."];

/** The models that can chat: all that `/v1/models` lists, less those known to be for embeddings. */
function useChatModels(): { names: string[]; isKnown: boolean; failure: ReturnType<typeof usePolled>["failure"] } {
  const listed = usePolled<{ data: OpenAiModel[] }>("/v1/models", POLL_MS);
  const rows = usePolled<{ data: ModelRow[] }>("/api/v1/models?window_s=300", POLL_MS);
  const embeddings = new Set(rows.data?.data.filter((row) => row.kind === "embedding").map((row) => row.model));
  const isKnown = listed.data !== null && (rows.data !== null || rows.failure !== null);
  return { names: (listed.data?.data ?? []).map((model) => model.id).filter((name) => !embeddings.has(name)), isKnown, failure: listed.failure };
}

function Settings({ query, system, onSystem, names, model }: { query: URLSearchParams; system: string; onSystem: (text: string) => void; names: string[]; model: string }) {
  const temperature = query.get("temperature") ?? DEFAULT_TEMPERATURE;
  return (
    <form class="play-settings" aria-label="Settings" onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        <span>Model</span>
        <select name="model" value={model} onChange={(event) => changeQuery({ model: event.currentTarget.value })}>
          {names.map((name) => <option key={name} value={name}>{name}</option>)}
        </select>
      </label>
      <label class="field">
        <span>System prompt</span>
        <textarea name="system" rows={3} value={system} placeholder="You are a helpful assistant." onInput={(event) => onSystem(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>Temperature <b class="num">{temperature}</b></span>
        <input type="range" name="temperature" min="0" max="2" step="0.1" value={temperature} onInput={(event) => changeQuery({ temperature: event.currentTarget.value })} />
      </label>
      <label class="field">
        <span>Max tokens</span>
        <input type="number" name="max_tokens" min="1" max="100000" value={query.get("max_tokens") ?? DEFAULT_MAX_TOKENS} onInput={(event) => changeQuery({ max_tokens: event.currentTarget.value })} />
      </label>
    </form>
  );
}

function Composer({ canSend, isStreaming, onSend, onStop }: { canSend: boolean; isStreaming: boolean; onSend: (text: string) => void; onStop: () => void }) {
  const [text, setText] = useState("");
  const send = (): void => {
    if (!canSend || isStreaming || text.trim() === "") return;
    onSend(text.trim());
    setText("");
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="offscreen" for="message">Message</label>
      <textarea
        id="message" name="message" rows={2} autofocus value={text} placeholder="Ask something. Enter sends, Shift+Enter is a new line."
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      {isStreaming ? (
        <button type="button" class="button danger" onClick={onStop}><Icon name="stop" />Stop</button>
      ) : (
        <button type="submit" class="button primary" disabled={!canSend || text.trim() === ""}><Icon name="send" />Send</button>
      )}
    </form>
  );
}

export function Playground({ query }: { query: URLSearchParams }) {
  const { names, isKnown, failure } = useChatModels();
  const [system, setSystem] = useState("");
  const chat = useChat();
  const end = useRef<HTMLDivElement>(null);
  const asked = query.get("model");
  const model = asked !== null && names.includes(asked) ? asked : (names[0] ?? "");
  const last = chat.exchanges.at(-1);
  useEffect(() => end.current?.scrollIntoView({ block: "end" }), [last?.answer, last?.result, chat.exchanges.length]);

  const send = (text: string): void => {
    const temperature = Number(query.get("temperature") ?? DEFAULT_TEMPERATURE);
    const max_tokens = Number(query.get("max_tokens") ?? DEFAULT_MAX_TOKENS);
    chat.send(text, { model, temperature, ...(max_tokens > 0 ? { max_tokens } : {}) }, system);
  };

  return (
    <div class="play">
      <section class="panel play-side" aria-labelledby="play-title">
        <header class="panel-head">
          <h1 id="play-title">Playground</h1>
          <button type="button" class="button" disabled={chat.isStreaming || chat.exchanges.length === 0} onClick={chat.clear}>Clear</button>
        </header>
        {failure && <FailureNotice failure={failure} />}
        {isKnown && names.length === 0 && <p class="empty">No model here can chat.</p>}
        <Settings query={query} system={system} onSystem={setSystem} names={names} model={model} />
      </section>
      <section class="panel play-talk" aria-label="Conversation">
        <div class="talk" aria-live="polite" aria-busy={chat.isStreaming}>
          {chat.exchanges.length === 0 && (
            <div class="talk-empty">
              <p class="quiet">Calls from here are on record like any other. Try one:</p>
              {IDEAS.map((idea) => <button type="button" key={idea} class="button" disabled={model === ""} onClick={() => send(idea)}>{idea}</button>)}
            </div>
          )}
          {chat.exchanges.map((exchange) => <ExchangeView key={exchange.id} exchange={exchange} />)}
          <div ref={end} />
        </div>
        <Composer canSend={model !== ""} isStreaming={chat.isStreaming} onSend={send} onStop={chat.stop} />
      </section>
    </div>
  );
}
