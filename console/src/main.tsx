// Where the page starts.
import { render } from "preact";
import { App } from "./app.tsx";
import { restoreTheme } from "./place/theme.ts";
import "./styles/ground.css";
import "./styles/frame.css";
import "./styles/parts.css";
import "./styles/chart.css";
import "./styles/overview.css";
import "./styles/requests.css";
import "./styles/call.css";
import "./styles/playground.css";
import "./styles/keys.css";
import "./styles/traffic.css";

restoreTheme();
const root = document.getElementById("app");
if (root) render(<App />, root);
