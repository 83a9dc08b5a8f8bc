import { signInWithRedirect, signOut } from "aws-amplify/auth";
import { Hub } from "aws-amplify/utils";
import { useCallback, useEffect, useRef, useState } from "react";
import { type CallRecord, callNoAuth, callRequireAuth, callerArn } from "../api/client";
import { type Session, currentSession, signInPageIsTrusted } from "../auth/session";
import type { DemoConfig } from "../config";

export interface HubEvent {
  id: number;
  name: string;
  at: Date;
}

export interface Toast {
  id: number;
  tone: "let-in" | "refused";
  text: string;
}

export interface Door {
  session: Session | undefined;
  arn: string | undefined;
  problem: string | undefined;
  signInTrusted: boolean;
  busy: boolean;
  call: CallRecord | undefined;
  toast: Toast | undefined;
  events: HubEvent[];
  noAuth: () => Promise<void>;
  requireAuth: () => Promise<void>;
  signIn: () => Promise<void>;
  leave: () => Promise<void>;
  refresh: () => Promise<void>;
  dismiss: () => void;
}

/** Everything the page knows and can do. State follows Amplify's Hub events; it is never guessed from a click. */
export function useDoor(config: DemoConfig): Door {
  const [session, setSession] = useState<Session>();
  const [arn, setArn] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const [signInTrusted, setSignInTrusted] = useState(true);
  const [busy, setBusy] = useState(false);
  const [call, setCall] = useState<CallRecord>();
  const [toast, setToast] = useState<Toast>();
  const [events, setEvents] = useState<HubEvent[]>([]);
  const counter = useRef(0);

  const look = useCallback(
    async (refresh = false) => {
      try {
        const found = await currentSession(refresh);
        setSession(found);
        setArn(await callerArn(config, found.credentials));
        setProblem(undefined);
      } catch (error) {
        setProblem(error instanceof Error ? error.message : String(error));
      }
    },
    [config],
  );

  useEffect(() => {
    const stop = Hub.listen("auth", ({ payload }) => {
      counter.current += 1;
      setEvents((known) => [{ id: counter.current, name: payload.event, at: new Date() }, ...known].slice(0, 6));
      if (payload.event === "signInWithRedirect_failure") {
        setProblem("The sign-in did not finish. Try again, or look at the server's terminal for the reason.");
      }
      if (["signedIn", "signedOut", "signInWithRedirect"].includes(payload.event)) {
        setCall(undefined);
        void look();
      }
    });
    void look();
    void signInPageIsTrusted(config.oauth_domain).then(setSignInTrusted);
    return stop;
  }, [config, look]);

  // A toast says what happened and leaves; the panel keeps the whole of it.
  useEffect(() => {
    if (toast === undefined) return undefined;
    const timer = setTimeout(() => setToast(undefined), toast.tone === "let-in" ? 6_000 : 12_000);
    return () => clearTimeout(timer);
  }, [toast]);

  const run = useCallback(async (work: () => Promise<CallRecord>) => {
    setBusy(true);
    try {
      const record = await work();
      counter.current += 1;
      setCall(record);
      setToast({
        id: counter.current,
        tone: record.status < 400 ? "let-in" : "refused",
        text: record.status < 400 ? record.message : `${record.status}: ${record.message}`,
      });
    } catch (error) {
      counter.current += 1;
      setToast({ id: counter.current, tone: "refused", text: error instanceof Error ? error.message : String(error) });
    } finally {
      setBusy(false);
    }
  }, []);

  return {
    session,
    arn,
    problem,
    signInTrusted,
    busy,
    call,
    toast,
    events,
    noAuth: () => run(() => callNoAuth(config)),
    requireAuth: () => run(async () => callRequireAuth(config, (await currentSession()).credentials)),
    signIn: () => signInWithRedirect(),
    leave: () => signOut(),
    refresh: () => look(true),
    dismiss: () => setToast(undefined),
  };
}
