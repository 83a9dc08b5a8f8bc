// A page that signs people in by somebody else's library, for the pool that its settings name. What came of each step
// is written on the page: the state as its heading, what the library knows as JSON below it.
import { amplifyParty } from './amplify_party.js';
import { oidcParty } from './oidc_party.js';

const given = new URLSearchParams(window.location.search).get('settings');
if (given !== null) {
  sessionStorage.setItem('settings', given);
}
const settings = JSON.parse(sessionStorage.getItem('settings'));

function show(state, said = {}) {
  document.getElementById('said').textContent = JSON.stringify(said, null, 2);
  document.getElementById('state').textContent = state;
}

const party = settings.library === 'amplify' ? amplifyParty(settings, show) : oidcParty(settings, show);

for (const [id, step] of Object.entries({
  'sign-in': party.signIn, renew: party.renew, silent: party.silent, 'sign-out': party.signOut,
})) {
  document.getElementById(id).addEventListener('click', () => {
    show('Working');
    step().catch((error) => show('Refused', { name: error.name, error: error.error, message: error.message }));
  });
}
party.arrive().catch((error) => show('Refused', { name: error.name, error: error.error, message: error.message }));
