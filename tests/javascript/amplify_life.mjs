// Amplify 6 through the life of an account: sign-up, codes, passwords, attributes, the end.
import {
  confirmResetPassword, confirmSignUp, confirmUserAttribute, deleteUser, fetchUserAttributes, resendSignUpCode,
  resetPassword, signIn, signOut, signUp, updatePassword, updateUserAttributes,
} from 'aws-amplify/auth';
import './amplify_setup.mjs';
import { ask, settings, story, tell } from './story.mjs';

const { username, password, other_password: otherPassword, email, other_email: otherEmail } = settings;

/** What a call gives, or the error's [name, message]. */
async function outcome(call) {
  try {
    return (await call()) ?? 'done';
  } catch (error) {
    return [error.name, error.message];
  }
}

async function signsIn(secret) {
  const said = await outcome(() => signIn({ username, password: secret }));
  return said.nextStep?.signInStep ?? said;
}

const another = (code) => `${code.slice(0, -1)}${(Number(code.at(-1)) + 1) % 10}`;
const confirm = (confirmationCode) => outcome(async () =>
  (await confirmSignUp({ username, confirmationCode })).nextStep.signUpStep);
const reset = (confirmationCode, newPassword) => outcome(() =>
  confirmResetPassword({ username, confirmationCode, newPassword }));
const prove = (confirmationCode) => outcome(() => confirmUserAttribute({ userAttributeKey: 'email', confirmationCode }));

await story(async () => {
  const person = { username, options: { userAttributes: { email } } };
  tell('weak password', (await outcome(() => signUp({ ...person, password: 'weak' })))[0]);
  tell('sign-up', (await signUp({ ...person, password })).nextStep.signUpStep);
  tell('name again', await outcome(() => signUp({ ...person, password })));
  tell('unconfirmed', await signsIn(password));

  tell('resend', (await resendSignUpCode({ username })).deliveryMedium);
  const code = await ask('code');
  tell('wrong code', await confirm(another(code)));
  tell('confirm', await confirm(code));
  tell('code again', (await confirm(code))[0]);
  tell('sign-in', await signsIn(password));
  await signOut();

  tell('forgot', (await resetPassword({ username })).nextStep.resetPasswordStep);
  const forgotten = await ask('code');
  tell('wrong reset', await reset(another(forgotten), otherPassword));
  tell('reset', await reset(forgotten, otherPassword));
  tell('reset again', (await reset(forgotten, password))[0]);
  tell('old password', await signsIn(password));
  tell('new password', await signsIn(otherPassword));

  const change = (oldPassword) => outcome(() => updatePassword({ oldPassword, newPassword: password }));
  tell('change by a wrong one', (await change('Wrong-horse-1'))[0]);
  tell('change', await change(otherPassword));

  const updated = await updateUserAttributes({ userAttributes: { email: otherEmail } });
  tell('new address', updated.email.nextStep.updateAttributeStep);
  const proof = await ask('other code');
  tell('wrong proof', await prove(another(proof)));
  tell('proof', await prove(proof));
  tell('proof again', (await prove(proof))[0]);
  const { sub, ...known } = await fetchUserAttributes();
  tell('attributes', known);

  tell('delete', await outcome(() => deleteUser()));
  tell('gone', await signsIn(password));
});
