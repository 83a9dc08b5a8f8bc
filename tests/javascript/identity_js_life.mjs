// amazon-cognito-identity-js through the life of an account: sign-up, codes, passwords, attributes, the end.
import {
  AuthenticationDetails, CognitoUser, CognitoUserAttribute, CognitoUserPool,
} from 'amazon-cognito-identity-js';
import { ask, settings, story, tell } from './story.mjs';

const { username, password, other_password: otherPassword, email, other_email: otherEmail } = settings;
const kept = new Map();
const storage = {
  setItem: (key, value) => { kept.set(key, value); return value; },
  getItem: (key) => kept.get(key) ?? null,
  removeItem: (key) => kept.delete(key),
  clear: () => kept.clear(),
};
const pool = new CognitoUserPool({
  UserPoolId: settings.user_pool_id, ClientId: settings.client_id, endpoint: settings.endpoint, Storage: storage,
});
const user = new CognitoUser({ Username: username, Pool: pool, Storage: storage });

/** What a callback of (error, value) was given: the value, or [code, message]. */
const given = (call) => new Promise((resolve) =>
  call((error, value) => resolve(error ? [error.code ?? error.name, error.message] : value)));

/** The same for an object of callbacks. */
const outcome = (call) => new Promise((resolve) => call({
  onSuccess: (value) => resolve(value ?? 'done'),
  onFailure: (error) => resolve([error.code ?? error.name, error.message]),
  inputVerificationCode: () => resolve('code sent'),
}));

async function signIn(secret) {
  const said = await outcome((on) =>
    user.authenticateUser(new AuthenticationDetails({ Username: username, Password: secret }), on));
  return said.isValid === undefined ? said : said.isValid();
}

const another = (code) => `${code.slice(0, -1)}${(Number(code.at(-1)) + 1) % 10}`;
const address = (value) => [new CognitoUserAttribute({ Name: 'email', Value: value })];

await story(async () => {
  const weak = await given((done) => pool.signUp(username, 'weak', address(email), null, done));
  tell('weak password', weak[0]);
  const signedUp = await given((done) => pool.signUp(username, password, address(email), null, done));
  tell('sign-up', [signedUp.userConfirmed, signedUp.codeDeliveryDetails.DeliveryMedium]);
  tell('name again', await given((done) => pool.signUp(username, password, address(email), null, done)));
  tell('unconfirmed', await signIn(password));

  const first = await ask('code');
  tell('resend', (await given((done) => user.resendConfirmationCode(done))).CodeDeliveryDetails.DeliveryMedium);
  const second = await ask('code');
  tell('wrong code', await given((done) => user.confirmRegistration(another(second), false, done)));
  tell('older code', first === second ? null : (await given((done) => user.confirmRegistration(first, false, done)))[0]);
  tell('confirm', await given((done) => user.confirmRegistration(second, false, done)));
  tell('code again', (await given((done) => user.confirmRegistration(second, false, done)))[0]);
  tell('sign-in', await signIn(password));

  tell('forgot', await outcome((on) => user.forgotPassword(on)));
  const reset = await ask('code');
  tell('wrong reset', await outcome((on) => user.confirmPassword(another(reset), otherPassword, on)));
  tell('reset', await outcome((on) => user.confirmPassword(reset, otherPassword, on)));
  tell('reset again', (await outcome((on) => user.confirmPassword(reset, password, on)))[0]);
  tell('old password', await signIn(password));
  tell('new password', await signIn(otherPassword));

  tell('change by a wrong one', (await given((done) => user.changePassword('Wrong-horse-1', password, done)))[0]);
  tell('change', await given((done) => user.changePassword(otherPassword, password, done)));

  tell('new address', await given((done) => user.updateAttributes(address(otherEmail), done)));
  const proof = await ask('other code');
  tell('wrong proof', await outcome((on) => user.verifyAttribute('email', another(proof), on)));
  tell('proof', await outcome((on) => user.verifyAttribute('email', proof, on)));
  tell('proof again', (await outcome((on) => user.verifyAttribute('email', proof, on)))[0]);
  const known = await given((done) => user.getUserAttributes(done));
  tell('attributes', Object.fromEntries(known.filter((one) => one.Name !== 'sub').map((one) => [one.Name, one.Value])));

  tell('delete', await given((done) => user.deleteUser(done)));
  tell('gone', await signIn(password));
});
