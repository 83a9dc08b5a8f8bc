import type { DemoConfig } from "../config";
import { Panel } from "../panel/Panel";
import { Rope } from "./Rope";
import { useDoor } from "./useDoor";

/** The one page: the door on the left, what happened at it on the right. */
export function DoorPage({ config }: { config: DemoConfig }) {
  const door = useDoor(config);
  const inside = door.session?.kind === "user";
  return (
    <div className={inside ? "page inside" : "page"}>
      <header>
        <a className="brand" href="/">
          velvet<span>rope</span>
        </a>
        <p className="who" data-testid="who" aria-live="polite">
          {door.session === undefined ? "Looking you up…" : inside ? `Signed in as ${door.session.username}` : "You are a guest"}
        </p>
        {inside ? (
          <button type="button" className="plain" onClick={() => void door.leave()}>
            Sign out
          </button>
        ) : (
          <button type="button" className="brass" onClick={() => void door.signIn()}>
            Sign in
          </button>
        )}
      </header>

      <main>
        <section className="door" aria-labelledby="door-title">
          <Rope open={inside} />
          <h1 id="door-title">{inside ? "Come on in." : "Are you on the list?"}</h1>
          <p>
            {inside
              ? "Your requests are signed with the credentials of the authenticated role."
              : "Guests have credentials too, of a role that may call nothing behind the rope."}
          </p>
          <div className="buttons">
            <button type="button" className={inside ? "brass" : "plain"} disabled={door.busy} onClick={() => void door.noAuth()}>
              No Auth
            </button>
            <button
              type="button"
              className={inside ? "brass" : "velvet"}
              disabled={door.busy || door.session === undefined}
              onClick={() => void door.requireAuth()}
            >
              Req. Auth
            </button>
          </div>
          {inside && (
            <button type="button" className="link" onClick={() => void door.refresh()}>
              Refresh my tokens
            </button>
          )}
          {!inside && (
            <p className="hint">
              Try <strong>Req. Auth</strong> first and be refused. Then sign in as <code>demouser</code> with <code>demoPASS123</code>.
            </p>
          )}
          {!inside && !door.signInTrusted && (
            <p className="notice" role="note">
              Your browser does not know this server's certificate yet, so it will warn you once at sign-in. Accept it there, or
              run <code>velvetrope trust</code> first.
            </p>
          )}
          {door.problem !== undefined && (
            <p className="notice" role="alert">
              {door.problem}
            </p>
          )}
        </section>
        <Panel door={door} />
      </main>

      <div className="toasts" role="status" aria-live="polite">
        {door.toast !== undefined && (
          <div key={door.toast.id} className={`toast ${door.toast.tone}`} data-testid="toast">
            <span>{door.toast.text}</span>
            <button type="button" aria-label="Dismiss" onClick={door.dismiss}>
              ×
            </button>
          </div>
        )}
      </div>
    </div>
  );
}
