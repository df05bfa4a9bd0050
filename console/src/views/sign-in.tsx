// The door: paste a key, or find the link that `pilothouse up` prints. The key is sent once and never kept here.
import { useState } from "preact/hooks";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { Session } from "../wire/shapes.ts";
import { Wheel } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";

export function SignIn({ onSignedIn }: { onSignedIn: (session: Session) => void }) {
  const [key, setKey] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure | null>(null);

  const signIn = (event: Event): void => {
    event.preventDefault();
    if (key.trim() === "") return;
    setBusy(true);
    ask<Session>("/api/v1/session", { method: "POST", body: { key: key.trim() }, is401Expected: true }).then(
      (session) => {
        setKey("");
        onSignedIn(session);
      },
      (thrown: unknown) => {
        setFailure(asFailure(thrown));
        setBusy(false);
      },
    );
  };

  return (
    <main class="door">
      <form class="door-card" onSubmit={signIn}>
        <p class="door-brand">
          <Wheel size={34} />
          <span>Pilothouse</span>
        </p>
        <h1>Sign in</h1>
        <p class="quiet">Open the sign-in link that <code>pilothouse up</code> prints in its terminal, or paste an API key.</p>
        <label class="field">
          <span>API key</span>
          <input type="password" name="key" autocomplete="off" spellcheck={false} autofocus placeholder="ph_…" value={key} onInput={(event) => setKey(event.currentTarget.value)} />
        </label>
        {failure && <FailureNotice failure={failure} />}
        <button type="submit" class="button primary" disabled={isBusy || key.trim() === ""}>{isBusy ? "Signing in…" : "Sign in"}</button>
        <p class="door-foot quiet">
          Made a key on this machine? <code>pilothouse keys create NAME</code> shows it once. This browser keeps a session for twelve hours, not the key.
        </p>
      </form>
    </main>
  );
}
