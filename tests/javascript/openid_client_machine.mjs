// openid-client as a machine: client_credentials by client_secret_basic, found by discovery.
import * as oidc from 'openid-client';
import { settings, story, tell } from './story.mjs';

async function refusal(call) {
  try {
    await call();
    return 'no refusal';
  } catch (error) {
    return error.error ?? error.code ?? error.message;
  }
}

const connect = (secret) =>
  oidc.discovery(new URL(settings.issuer), settings.client_id, undefined, oidc.ClientSecretBasic(secret));

await story(async () => {
  const config = await connect(settings.client_secret);
  const tokens = await oidc.clientCredentialsGrant(config, { scope: settings.scope });
  tell('claims', JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url')));
  tell('other scope', await refusal(() => oidc.clientCredentialsGrant(config, { scope: settings.other_scope })));
  const stranger = await connect('x'.repeat(40));
  tell('wrong secret', await refusal(() => oidc.clientCredentialsGrant(stranger, {})));
});
