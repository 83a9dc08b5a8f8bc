// Amplify UI's Authenticator as its documentation shows it, for the pool that the page's query names.
import { Authenticator } from '@aws-amplify/ui-react';
import '@aws-amplify/ui-react/styles.css';
import { Amplify } from 'aws-amplify';
import { fetchAuthSession } from 'aws-amplify/auth';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

const query = new URLSearchParams(window.location.search);

Amplify.configure({
  Auth: {
    Cognito: {
      userPoolId: query.get('user_pool_id'),
      userPoolClientId: query.get('client_id'),
      userPoolEndpoint: query.get('endpoint'),
    },
  },
});

function SignedIn({ user, signOut }) {
  const [groups, setGroups] = useState(null);
  useEffect(() => {
    fetchAuthSession().then(({ tokens }) => setGroups(tokens.accessToken.payload['cognito:groups'] ?? []));
  }, []);
  return (
    <>
      <h1>Signed in as {user.username}</h1>
      {groups && <p>An access token with {groups.length} groups</p>}
      <button onClick={signOut}>Sign out</button>
    </>
  );
}

createRoot(document.getElementById('root')).render(
  <Authenticator signUpAttributes={['email']}>{(session) => <SignedIn {...session} />}</Authenticator>,
);
