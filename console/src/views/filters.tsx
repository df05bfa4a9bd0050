// The filters of the list of calls. They live in the address bar, not here.
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { changeQuery } from "../place/address.ts";
import { OUTCOMES, shortId } from "../say/words.ts";
import { ask } from "../wire/client.ts";
import type { Call, OpenAiModel } from "../wire/shapes.ts";
import { Icon } from "../parts/icon.tsx";

const STATUS_CLASSES = [
  { value: "ok", word: "2xx" },
  { value: "client_error", word: "4xx" },
  { value: "server_error", word: "5xx" },
];

const CHIPS: Record<string, string> = { conversation_id: "conversation", key_id: "key", deployment: "deployment", team: "team" };

/** Model names to choose from: what is served, and what the shown calls asked for. */
function useModelNames(calls: Call[], chosen: string | null): string[] {
  const [served, setServed] = useState<string[]>([]);
  useEffect(() => {
    ask<{ data: OpenAiModel[] }>("/v1/models").then((list) => setServed(list.data.map((model) => model.id)), () => setServed([]));
  }, []);
  const names = new Set(served);
  for (const call of calls) if (call.model !== null) names.add(call.model);
  if (chosen !== null) names.add(chosen);
  return [...names].sort();
}

function Choice({ name, label, all, value, options }: { name: string; label: string; all: string; value: string | null; options: { value: string; word: string }[] }) {
  return (
    <label class="choice">
      <span class="offscreen">{label}</span>
      <select name={name} value={value ?? ""} class={value === null ? "" : "is-set"} onChange={(event) => changeQuery({ [name]: event.currentTarget.value || null })}>
        <option value="">{value === null ? all : `Any ${all.toLowerCase()}`}</option>
        {options.map((option) => <option key={option.value} value={option.value}>{option.word}</option>)}
      </select>
    </label>
  );
}

export function Filters({ query, search, calls }: { query: URLSearchParams; search: RefObject<HTMLInputElement | null>; calls: Call[] }) {
  const models = useModelNames(calls, query.get("model"));
  const narrowed = Object.keys(CHIPS).filter((name) => query.get(name) !== null);
  return (
    <search class="filters">
      <label class="search">
        <span class="offscreen">Filter by id, key or error</span>
        <Icon name="search" />
        <input
          ref={search} type="search" name="q" placeholder="Filter by id, key or error" value={query.get("q") ?? ""} autocomplete="off" spellcheck={false}
          onInput={(event) => changeQuery({ q: event.currentTarget.value.trim() || null })}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            event.preventDefault();
            event.currentTarget.blur();
          }}
        />
        <kbd class="kbd" aria-hidden="true">/</kbd>
      </label>
      <Choice name="model" label="Model" all="Model" value={query.get("model")} options={models.map((model) => ({ value: model, word: model }))} />
      <Choice name="outcome" label="Outcome" all="Outcome" value={query.get("outcome")} options={OUTCOMES.map(({ name }) => ({ value: name, word: name }))} />
      <Choice name="status_class" label="Status" all="Status" value={query.get("status_class")} options={STATUS_CLASSES} />
      {narrowed.map((name) => (
        <button type="button" key={name} class="button chip" title="Take this filter away" onClick={() => changeQuery({ [name]: null })}>
          {CHIPS[name]} <span class="mono">{shortId(query.get(name) ?? "")}</span>
          <Icon name="close" size={12} />
        </button>
      ))}
    </search>
  );
}
