import { fetchAuthSession, getCurrentUser } from "aws-amplify/auth";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date | undefined;
}

/** Who the browser is at this moment: a guest, or a signed-in user, each with temporary credentials. */
export interface Session {
  kind: "guest" | "user";
  username: string | undefined;
  identityId: string;
  credentials: Credentials;
  tokensExpireAt: Date | undefined;
}

/** Ask Amplify for the present session; with `refresh`, make it get new tokens and credentials first. */
export async function currentSession(refresh = false): Promise<Session> {
  const session = await fetchAuthSession({ forceRefresh: refresh });
  const { credentials, identityId, tokens } = session;
  if (credentials === undefined || credentials.sessionToken === undefined || identityId === undefined) {
    throw new Error("The identity pool gave no credentials.");
  }
  const username = tokens === undefined ? undefined : (await getCurrentUser()).username;
  const expires = tokens?.accessToken.payload.exp;
  return {
    kind: tokens === undefined ? "guest" : "user",
    username,
    identityId,
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      sessionToken: credentials.sessionToken,
      expiration: credentials.expiration,
    },
    tokensExpireAt: expires === undefined ? undefined : new Date(expires * 1000),
  };
}

/** Whether this browser trusts the certificate of the sign-in pages. A false means a warning page lies ahead. */
export async function signInPageIsTrusted(oauthDomain: string): Promise<boolean> {
  try {
    await fetch(`https://${oauthDomain}/_velvetrope/health`, { mode: "no-cors", cache: "no-store" });
    return true;
  } catch {
    return false;
  }
}
