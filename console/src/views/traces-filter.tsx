// The box in which a filter is written: proposals as one types, and a pointer at what is wrong.
// Refuses to know what is found. Invariant: nothing is asked with a filter until the person says so (Enter).
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiFailure, ask } from "../wire/client.ts";
import type { Completion } from "../wire/traces-shapes.ts";
import { Icon } from "../parts/icon.tsx";
import { Kbd } from "../parts/small.tsx";
import { put } from "./traces-put.ts";

const ASK_AFTER_MS = 90;

export interface FilterBoxProps {
  value: string;
  failure: ApiFailure | null;
  box: RefObject<HTMLInputElement | null>;
  onAsk: (filter: string) => void;
}

export function FilterBox({ value, failure, box, onAsk }: FilterBoxProps) {
  const [text, setText] = useState(value);
  const [proposed, setProposed] = useState<Completion | null>(null);
  const [chosen, setChosen] = useState(-1);
  const timer = useRef(0);
  const asked = useRef(0);

  useEffect(() => setText(value), [value]);
  useEffect(() => () => window.clearTimeout(timer.current), []);

  const look = (now: string): void => {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => {
      const turn = ++asked.current;
      const at = box.current?.selectionStart ?? now.length;
      const query = new URLSearchParams({ text: now, at: String(at) });
      ask<Completion>(`/api/v1/filter/complete?${query.toString()}`).then(
        (found) => {
          if (turn !== asked.current) return;
          setProposed(found);
          setChosen(-1);
        },
        () => setProposed(null),
      );
    }, ASK_AFTER_MS);
  };
  const close = (): void => {
    window.clearTimeout(timer.current);
    asked.current += 1;
    setProposed(null);
    setChosen(-1);
  };
  const take = (index: number): void => {
    const proposal = proposed?.data[index];
    if (!proposed || !proposal) return;
    const next = put(text, proposed, proposal.text);
    // At once, not with the next drawing: who goes on typing must find the cursor behind what was taken.
    if (box.current) {
      box.current.value = next.text;
      box.current.focus();
      box.current.setSelectionRange(next.at, next.at);
    }
    setText(next.text);
    look(next.text);
  };
  const onKey = (event: KeyboardEvent): void => {
    const count = proposed?.data.length ?? 0;
    if (event.key === "Enter") {
      event.preventDefault();
      if (chosen >= 0) return take(chosen);
      close();
      onAsk(text.trim());
    } else if (event.key === "Tab" && count > 0 && !event.shiftKey) {
      event.preventDefault();
      take(Math.max(0, chosen));
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (count > 0) close();
      else box.current?.blur();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count > 0) {
      event.preventDefault();
      setChosen((old) => (event.key === "ArrowDown" ? (old + 1) % count : (old <= 0 ? count : old) - 1));
    }
  };

  const place = failure?.place ?? null;
  const isOpen = (proposed?.data.length ?? 0) > 0;
  return (
    <div class="filter-box">
      <div class={`filter-line${failure ? " is-wrong" : ""}`}>
        <Icon name="search" />
        <input
          ref={box}
          class="mono"
          type="text"
          value={text}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          role="combobox"
          aria-label="Filter"
          aria-expanded={isOpen}
          aria-controls="filter-proposals"
          aria-activedescendant={chosen >= 0 ? `proposal-${chosen}` : undefined}
          aria-invalid={failure !== null}
          aria-describedby={failure ? "filter-wrong" : undefined}
          placeholder={'model = "x" and latency_ms > 500 and text ~ "refund"'}
          data-testid="filter"
          onInput={(event) => {
            setText(event.currentTarget.value);
            look(event.currentTarget.value);
          }}
          onClick={() => look(text)}
          onKeyDown={onKey}
          onBlur={() => window.setTimeout(close, 150)}
        />
        {text && (
          <button
            type="button"
            class="button icon-only plain"
            aria-label="Clear the filter"
            onClick={() => {
              setText("");
              close();
              onAsk("");
            }}
          >
            <Icon name="close" />
          </button>
        )}
        <Kbd>/</Kbd>
      </div>
      {isOpen && (
        <ul id="filter-proposals" class="proposals" role="listbox" aria-label="What may come next">
          {proposed?.data.map((proposal, at) => (
            <li
              key={`${proposal.kind} ${proposal.text}`}
              id={`proposal-${at}`}
              role="option"
              aria-selected={at === chosen}
              class="proposal"
              onMouseDown={(event) => {
                event.preventDefault();
                take(at);
              }}
            >
              <span class="mono">{proposal.text}</span>
              <span class="quiet">{proposal.detail || proposal.kind}</span>
            </li>
          ))}
        </ul>
      )}
      {failure && (
        <div id="filter-wrong" class="filter-wrong tone-bad" role="alert" data-testid="filter-wrong">
          {place && (
            <pre class="mono filter-pointer" aria-hidden="true">{`${value}\n${" ".repeat(Math.max(0, place.column - 1))}${"^".repeat(Math.min(80, place.length))}`}</pre>
          )}
          <p>
            {failure.message}
            {place && <span class="quiet"> Column {place.column}.</span>}
          </p>
          {failure.hint && <p class="quiet">{failure.hint}</p>}
        </div>
      )}
    </div>
  );
}
