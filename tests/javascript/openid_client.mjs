// openid-client as a relying party that knows nothing of us: discovery, code with PKCE, userinfo, refresh, revocation.
import * as oidc from 'openid-client';
import { ask, settings, story, tell } from './story.mjs';

/** The OAuth error code that a call ends in. */
async function refusal(call) {
  try {
    await call();
    return 'no refusal';
  } catch (error) {
    return error.error ?? error.code ?? error.message;
  }
}

await story(async () => {
  const config = await oidc.discovery(new URL(settings.issuer), settings.client_id, undefined, oidc.None());
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const expectedNonce = oidc.randomNonce();
  const expectedState = oidc.randomState();
  const address = oidc.buildAuthorizationUrl(config, {
    redirect_uri: settings.callback,
    scope: settings.scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    nonce: expectedNonce,
    state: expectedState,
  });
  const location = new URL(await ask('location', address.href));
  const checks = { pkceCodeVerifier, expectedNonce, expectedState, idTokenExpected: true };
  const tokens = await oidc.authorizationCodeGrant(config, location, checks);
  const claims = tokens.claims();
  tell('claims', claims);
  tell('user info', await oidc.fetchUserInfo(config, tokens.access_token, claims.sub));
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  tell('refreshed', refreshed.claims().sub);
  await oidc.tokenRevocation(config, tokens.refresh_token);
  tell('revoked', await refusal(() => oidc.refreshTokenGrant(config, tokens.refresh_token)));
  tell('code again', await refusal(() => oidc.authorizationCodeGrant(config, location, checks)));
});
