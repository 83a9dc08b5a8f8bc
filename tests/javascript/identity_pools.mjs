// Credentials of an identity pool, by Amplify 6 and by the AWS SDK's own provider: guest, user, and user with groups.
// Takes the settings as JSON in its first argument, prints what it found as JSON.
import { CognitoIdentityClient, DescribeIdentityPoolCommand } from '@aws-sdk/client-cognito-identity';
import { fromCognitoIdentity, fromCognitoIdentityPool } from '@aws-sdk/credential-providers';
import { Amplify } from 'aws-amplify';
import { fetchAuthSession, signIn, signOut } from 'aws-amplify/auth';
import { cognitoUserPoolsTokenProvider } from 'aws-amplify/auth/cognito';

const settings = JSON.parse(process.argv[2]);
const { endpoint, region, identityPoolId } = settings;
const kept = new Map();

cognitoUserPoolsTokenProvider.setKeyValueStorage({
  setItem: async (key, value) => void kept.set(key, value),
  getItem: async (key) => kept.get(key) ?? null,
  removeItem: async (key) => void kept.delete(key),
  clear: async () => kept.clear(),
});

function configure(pool, allowGuestAccess = true) {
  Amplify.configure({
    Auth: {
      Cognito: {
        userPoolId: settings.userPoolId,
        userPoolClientId: settings.clientId,
        userPoolEndpoint: endpoint,
        identityPoolId: pool,
        identityPoolEndpoint: endpoint,
        allowGuestAccess,
      },
    },
  });
}

/** What a step gives, or the name and text of its error. */
async function outcome(step) {
  try {
    return await step();
  } catch (error) {
    return { error: error.name, message: error.message };
  }
}

async function session() {
  const { identityId, credentials, tokens } = await fetchAuthSession();
  return { identityId, credentials, groups: tokens?.idToken.payload['cognito:groups'] ?? [] };
}

async function signedIn(username) {
  await signIn({ username, password: settings.password });
  const first = await session();
  const again = await session();
  const token = (await fetchAuthSession()).tokens.idToken.toString();
  await signOut();
  return { ...first, sameIdentity: first.identityId === again.identityId, token };
}

/** A signed call of the SDK with credentials that it fetches itself. */
async function describe(credentials) {
  const client = new CognitoIdentityClient({ endpoint, region, credentials, maxAttempts: 1 });
  const described = await client.send(new DescribeIdentityPoolCommand({ IdentityPoolId: identityPoolId }));
  return described.IdentityPoolName;
}

const clientConfig = { endpoint, region, maxAttempts: 1 };
const found = {};
configure(identityPoolId);
found.guest = await session();
found.user = await signedIn(settings.user);
found.member = await signedIn(settings.member);
found.wrongPassword = await outcome(() => signIn({ username: settings.user, password: 'Wrong-horse-1' }));

configure(settings.closedPoolId);
found.closedGuest = await outcome(session);

const logins = { [settings.provider]: found.user.token };
const fetchGuest = fromCognitoIdentityPool({ identityPoolId, clientConfig });
const fetchUser = fromCognitoIdentityPool({ identityPoolId, clientConfig, logins });
found.sdk = {
  guest: await fetchGuest(),
  user: await fetchUser(),
  userAgain: await fromCognitoIdentity({ identityId: found.user.identityId, clientConfig, logins })(),
  guestDescribes: await outcome(() => describe(fetchGuest)),
  userDescribes: await outcome(() => describe(fetchUser)),
  forged: await outcome(fromCognitoIdentityPool({
    identityPoolId, clientConfig, logins: { [settings.provider]: `${found.user.token.slice(0, -8)}AAAAAAAA` },
  })),
  stolen: await outcome(fromCognitoIdentity({ identityId: found.member.identityId, clientConfig, logins })),
  nobody: await outcome(fromCognitoIdentity({ identityId: found.user.identityId, clientConfig })),
  invented: await outcome(fromCognitoIdentity({
    identityId: `${region}:00000000-0000-0000-0000-000000000000`, clientConfig,
  })),
};
console.log(JSON.stringify(found));
