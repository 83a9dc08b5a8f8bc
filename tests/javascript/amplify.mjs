// Amplify 6 through SRP, TOTP, choice-based sign-in and refresh.
import {
  autoSignIn, confirmSignIn, confirmSignUp, fetchAuthSession, fetchDevices, fetchMFAPreference, getCurrentUser, rememberDevice, setUpTOTP, signIn,
  signOut, signUp, updateMFAPreference, verifyTOTPSetup,
} from 'aws-amplify/auth';
import { kept } from './amplify_setup.mjs';
import { ask, settings, story, tell, totp } from './story.mjs';

globalThis.navigator ??= { userAgent: 'Node.js' }; // the device's name is made of it

const { username, password } = settings;

/** The next step, or the error, of a sign-in. */
async function step(call) {
  try {
    return (await call()).nextStep.signInStep;
  } catch (error) {
    return [error.name, error.message];
  }
}

await story(async () => {
  tell('wrong password', await step(() => signIn({ username, password: 'Wrong-horse-1' })));
  tell('srp', await step(() => signIn({ username, password })));
  tell('user', (await getCurrentUser()).username);

  await rememberDevice();
  tell('devices', (await fetchDevices()).length);
  const setup = await setUpTOTP();
  await verifyTOTPSetup({ code: totp(setup.sharedSecret, -1) });
  await updateMFAPreference({ totp: 'PREFERRED' });
  tell('preference', (await fetchMFAPreference()).preferred);

  const before = (await fetchAuthSession()).tokens.accessToken.toString();
  const after = (await fetchAuthSession({ forceRefresh: true })).tokens.accessToken.toString();
  tell('refresh', before !== after);
  await signOut();
  tell('remembered device', await step(() => signIn({ username, password })));

  await signOut();
  kept.clear();
  tell('another device', await step(() => signIn({ username, password })));
  tell('wrong code', await step(() => confirmSignIn({ challengeResponse: totp(setup.sharedSecret, 5) })));
  tell('right code', await step(() => confirmSignIn({ challengeResponse: totp(setup.sharedSecret) })));
  await signOut();
  kept.clear();

  const choosing = { username: settings.passwordless_username, options: { authFlowType: 'USER_AUTH' } };
  const chosen = await signIn(choosing);
  tell('choice', [chosen.nextStep.signInStep, chosen.nextStep.availableChallenges]);
  tell('chosen', await step(() => confirmSignIn({ challengeResponse: 'EMAIL_OTP' })));
  tell('code', await step(async () => confirmSignIn({ challengeResponse: await ask('code') })));
  await signOut();
  kept.clear();

  const newcomer = settings.newcomer;
  await signUp({
    username: newcomer,
    password,
    options: { userAttributes: { email: `${newcomer}@people.example` }, autoSignIn: { authFlowType: 'USER_AUTH' } },
  });
  await confirmSignUp({ username: newcomer, confirmationCode: await ask('sign-up code') });
  tell('after the sign-up', await step(() => autoSignIn()));
  await signOut();
  kept.clear();

  const preferred = { ...choosing.options, preferredChallenge: 'PASSWORD_SRP' };
  tell('preferred password', await step(() => signIn({ username: settings.passwordless_username, password, options: preferred })));
});
