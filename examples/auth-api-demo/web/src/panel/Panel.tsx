import type { ReactNode } from "react";
import type { CallRecord } from "../api/client";
import type { Door } from "../door/useDoor";

/** What just happened, for the person who wants to know: identity, role, signature, answer. */
export function Panel({ door }: { door: Door }) {
  const { session, arn, call, events } = door;
  const role = arn?.split("/")[1];
  return (
    <section className="panel" aria-labelledby="panel-title">
      <h2 id="panel-title">What just happened</h2>

      <h3>Who I am to IAM</h3>
      <dl>
        <Row name="I am">{session === undefined ? "…" : session.kind === "user" ? session.username : "a guest"}</Row>
        <Row name="Identity id">{session?.identityId ?? "…"}</Row>
        <Row name="Role" testid="role">{role ?? "…"}</Row>
        <Row name="Caller ARN" testid="arn">{arn ?? "…"}</Row>
        <Row name="Credentials until">{time(session?.credentials.expiration)}</Row>
        {session?.tokensExpireAt && <Row name="Tokens until">{time(session.tokensExpireAt)}</Row>}
      </dl>

      <h3>The last call</h3>
      {call === undefined ? <p className="quiet">Nothing has been called yet.</p> : <Call call={call} />}

      <h3>What Amplify said</h3>
      {events.length === 0 ? (
        <p className="quiet">No event since the page was loaded.</p>
      ) : (
        <ol className="events" data-testid="events">
          {events.map((event) => (
            <li key={event.id}>
              <code>{event.name}</code> <time>{event.at.toLocaleTimeString()}</time>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Call({ call }: { call: CallRecord }) {
  const letIn = call.status < 400;
  return (
    <dl>
      <Row name="Request">
        {call.method} {new URL(call.url).pathname}
      </Row>
      <Row name="Signed">
        {call.signed === undefined ? (
          "no, only an API key was sent"
        ) : (
          <>
            {call.signed.algorithm} by {call.signed.accessKeyId}
            <br />
            over {call.signed.signedHeaders.join(", ")}
            <br />
            for {call.signed.scope}
            <br />
            <span className="quiet">{call.signed.signature.slice(0, 16)}…</span>
          </>
        )}
      </Row>
      <Row name="Answer" testid="answer">
        <span className={letIn ? "badge badge-let-in" : "badge badge-refused"}>{call.status}</span>{" "}
        {call.errorType ?? (letIn ? "let in" : "refused")} <span className="quiet">in {Math.round(call.milliseconds)} ms</span>
        <br />
        {call.message}
      </Row>
      {call.requestId !== undefined && (
        <Row name="Why?">
          <code>velvetrope explain {call.requestId}</code>
        </Row>
      )}
    </dl>
  );
}

function Row({ name, testid, children }: { name: string; testid?: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd {...(testid === undefined ? {} : { "data-testid": testid })}>{children}</dd>
    </>
  );
}

function time(at: Date | undefined): string {
  return at === undefined ? "…" : at.toLocaleTimeString();
}
