// Amplify 6: signInWithRedirect, as its documentation shows it.
import { Amplify } from 'aws-amplify';
import { fetchAuthSession, getCurrentUser, signInWithRedirect, signOut } from 'aws-amplify/auth';
import 'aws-amplify/auth/enable-oauth-listener';
import { Hub } from 'aws-amplify/utils';

export function amplifyParty(settings, show) {
  const page = `${window.location.origin}/`;
  Amplify.configure({
    Auth: {
      Cognito: {
        userPoolId: settings.user_pool_id,
        userPoolClientId: settings.client_id,
        userPoolEndpoint: settings.endpoint,
        loginWith: {
          oauth: {
            domain: settings.domain,
            scopes: ['openid', 'email'],
            redirectSignIn: [page],
            redirectSignOut: [page],
            responseType: 'code',
          },
        },
      },
    },
  });

  async function whoIsHere() {
    const user = await getCurrentUser().catch(() => null);
    if (user === null) {
      show('Signed out');
      return;
    }
    const { tokens } = await fetchAuthSession();
    show('Signed in', { username: user.username, profile: tokens.idToken.payload });
  }

  Hub.listen('auth', ({ payload }) => {
    if (payload.event === 'signInWithRedirect') whoIsHere();
    if (payload.event === 'signInWithRedirect_failure') {
      const { error } = payload.data;
      show('Refused', { name: error.name, message: error.message });
    }
  });
  return {
    async arrive() {
      if (!/[?&](code|error)=/.test(window.location.search)) await whoIsHere();
    },
    signIn: () => signInWithRedirect(),
    async renew() {
      const { tokens } = await fetchAuthSession({ forceRefresh: true });
      show('Renewed', { profile: tokens.idToken.payload });
    },
    silent: () => signInWithRedirect({ options: { prompt: 'NONE' } }),
    signOut: () => signOut(),
  };
}
