import "aws-amplify/auth/enable-oauth-listener";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { configureAmplify } from "./auth/configure";
import { loadConfig } from "./config";
import { DoorPage } from "./door/DoorPage";
import "./style.css";

const root = createRoot(document.getElementById("root") as HTMLElement);

try {
  const config = await loadConfig();
  configureAmplify(config);
  root.render(
    <StrictMode>
      <DoorPage config={config} />
    </StrictMode>,
  );
} catch (error) {
  root.render(
    <main className="broken" role="alert">
      <h1>The demo cannot start</h1>
      <p>{error instanceof Error ? error.message : String(error)}</p>
    </main>,
  );
}
