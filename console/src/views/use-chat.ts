// A conversation that streams. Refuses to know how it is drawn or which settings there are.
// Invariant: one answer at a time; stopping keeps what has arrived.
import { useEffect, useRef, useState } from "preact/hooks";
import { type ChatAsk, type ChatMessage, type ChatResult, streamChat } from "../wire/chat.ts";

export interface Exchange {
  id: number;
  asked: string;
  answer: string;
  model: string;
  result: ChatResult | null;
}

export interface Chat {
  exchanges: Exchange[];
  isStreaming: boolean;
  send: (text: string, settings: Omit<ChatAsk, "messages">, system: string) => void;
  stop: () => void;
  clear: () => void;
}

/** What the model is told: the system prompt, every finished exchange, and the new question. */
function messagesOf(system: string, exchanges: Exchange[], text: string): ChatMessage[] {
  const messages: ChatMessage[] = system.trim() ? [{ role: "system", content: system }] : [];
  for (const exchange of exchanges) {
    if (exchange.answer === "") continue;
    messages.push({ role: "user", content: exchange.asked }, { role: "assistant", content: exchange.answer });
  }
  return [...messages, { role: "user", content: text }];
}

export function useChat(): Chat {
  const [exchanges, setExchanges] = useState<Exchange[]>([]);
  const [isStreaming, setStreaming] = useState(false);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const send = (text: string, settings: Omit<ChatAsk, "messages">, system: string): void => {
    if (abort.current) return;
    const stopper = new AbortController();
    abort.current = stopper;
    const id = (exchanges.at(-1)?.id ?? 0) + 1;
    const change = (what: (exchange: Exchange) => Exchange): void => setExchanges((all) => all.map((one) => (one.id === id ? what(one) : one)));
    const messages = messagesOf(system, exchanges, text);
    setExchanges((all) => [...all, { id, asked: text, answer: "", model: settings.model, result: null }]);
    setStreaming(true);
    void streamChat({ ...settings, messages }, (piece) => change((one) => ({ ...one, answer: one.answer + piece })), stopper.signal).then((result) => {
      change((one) => ({ ...one, result }));
      abort.current = null;
      setStreaming(false);
    });
  };

  return {
    exchanges,
    isStreaming,
    send,
    stop: () => abort.current?.abort(),
    clear: () => setExchanges([]),
  };
}
