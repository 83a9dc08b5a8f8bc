// oidc-client-ts: code with PKCE in the same window, refresh, and a sign-in without a page in a hidden frame.
import { UserManager, WebStorageStateStore } from 'oidc-client-ts';

export function oidcParty(settings, show) {
  const page = `${window.location.origin}/`;
  const manager = new UserManager({
    authority: settings.issuer,
    client_id: settings.client_id,
    redirect_uri: page,
    silent_redirect_uri: `${page}silent.html`,
    scope: 'openid email',
    loadUserInfo: true,
    userStore: new WebStorageStateStore({ store: window.sessionStorage }),
  });
  const told = (user) => ({ profile: user.profile, scope: user.scope, access_token: user.access_token });
  return {
    async arrive() {
      if (window.location.search.includes('code=') || window.location.search.includes('error=')) {
        await manager.signinRedirectCallback();
        window.history.replaceState({}, '', '/');
      }
      const user = await manager.getUser();
      show(user === null ? 'Signed out' : 'Signed in', user === null ? {} : told(user));
    },
    signIn: () => manager.signinRedirect(),
    async renew() {
      show('Renewed', told(await manager.signinSilent())); // by the refresh token that it has
    },
    async silent() {
      await manager.removeUser();
      show('Signed in silently', told(await manager.signinSilent())); // nobody is known: a frame with prompt=none
    },
    async signOut() {
      await manager.removeUser();
      const query = new URLSearchParams({ client_id: settings.client_id, logout_uri: page });
      window.location.assign(`${await manager.metadataService.getEndSessionEndpoint()}?${query}`);
    },
  };
}
