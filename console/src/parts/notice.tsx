// What went wrong, in a sentence, with what to do about it.
import type { ComponentChildren } from "preact";
import type { ApiFailure } from "../wire/client.ts";
import { Icon } from "./icon.tsx";

export function FailureNotice({ failure, children }: { failure: ApiFailure; children?: ComponentChildren }) {
  return (
    <div class="notice tone-bad" role="alert">
      <Icon name="warn" />
      <div>
        <p>
          {failure.message}
          {failure.status > 0 && <span class="notice-code"> {failure.status}{failure.code ? ` · ${failure.code}` : ""}</span>}
        </p>
        {failure.hint && <p class="notice-hint">{failure.hint}</p>}
        {children}
      </div>
    </div>
  );
}
