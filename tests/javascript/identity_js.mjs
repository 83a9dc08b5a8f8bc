// amazon-cognito-identity-js through everything that a sign-in can ask.
import {
  AuthenticationDetails,
  CognitoRefreshToken,
  CognitoUser,
  CognitoUserPool,
} from 'amazon-cognito-identity-js';
import { settings, story, tell, totp } from './story.mjs';

class Memory {
  #kept = new Map();
  setItem = (key, value) => { this.#kept.set(key, value); return value; };
  getItem = (key) => this.#kept.get(key) ?? null;
  removeItem = (key) => this.#kept.delete(key);
  clear = () => this.#kept.clear();
}

function newUser(storage, username = settings.username) {
  const pool = new CognitoUserPool({
    UserPoolId: settings.user_pool_id,
    ClientId: settings.client_id,
    endpoint: settings.endpoint,
    Storage: storage,
  });
  return new CognitoUser({ Username: username, Pool: pool, Storage: storage });
}

/** Every callback of the library as one promise of [its name, what it was given]. */
function outcome(start) {
  return new Promise((resolve) => {
    const callbacks = {};
    for (const name of [
      'onSuccess', 'newPasswordRequired', 'totpRequired', 'mfaRequired', 'mfaSetup', 'selectMFAType', 'customChallenge',
    ]) {
      callbacks[name] = (...given) => resolve([name, ...given]);
    }
    callbacks.onFailure = (error) => resolve(['onFailure', error.code ?? error.name, error.message]);
    start(callbacks);
  });
}

const details = (password) => new AuthenticationDetails({ Username: settings.username, Password: password });
const promised = (call) => new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));

await story(async () => {
  const storage = new Memory();
  let user = newUser(storage);

  tell('wrong password', await outcome((on) => user.authenticateUser(details('Wrong-horse-1'), on)));

  const [asked] = await outcome((on) => user.authenticateUser(details(settings.temporary_password), on));
  tell('temporary password', asked);
  const [signedIn, session] = await outcome((on) => user.completeNewPasswordChallenge(settings.password, {}, on));
  tell('new password', [signedIn, session.getAccessToken().decodePayload().username]);

  const secret = await new Promise((resolve, reject) =>
    user.associateSoftwareToken({ associateSecretCode: resolve, onFailure: reject }));
  await new Promise((resolve, reject) =>
    user.verifySoftwareToken(totp(secret, -1), 'phone', { onSuccess: resolve, onFailure: reject }));
  await promised((done) => user.setUserMfaPreference(null, { Enabled: true, PreferredMfa: true }, done));

  const refreshed = await promised((done) =>
    user.refreshSession(new CognitoRefreshToken({ RefreshToken: session.getRefreshToken().getToken() }), done));
  tell('refresh', refreshed.isValid());

  user = newUser(storage);
  const [again] = await outcome((on) => user.authenticateUser(details(settings.password), on));
  tell('remembered device', again);

  user = newUser(new Memory());
  const [second] = await outcome((on) => user.authenticateUser(details(settings.password), on));
  tell('another device', second);
  tell('wrong code', await outcome((on) => user.sendMFACode(totp(secret, 5), on, 'SOFTWARE_TOKEN_MFA')));
  const [third] = await outcome((on) => user.sendMFACode(totp(secret), on, 'SOFTWARE_TOKEN_MFA'));
  tell('right code', third);
  tell('session again', await outcome((on) => user.sendMFACode(totp(secret, 1), on, 'SOFTWARE_TOKEN_MFA')));

  user = newUser(new Memory(), settings.riddle_username);
  user.setAuthenticationFlowType('CUSTOM_AUTH');
  const custom = new AuthenticationDetails({ Username: settings.riddle_username });
  const [riddle, parameters] = await outcome((on) => user.initiateAuth(custom, on));
  tell('riddle', [riddle, parameters.question]);
  const [wrong] = await outcome((on) => user.sendCustomChallengeAnswer('41', on));
  tell('wrong answer', wrong);
  const [right] = await outcome((on) => user.sendCustomChallengeAnswer('42', on));
  tell('right answer', right);
});
