// Amplify 6 for the pool of the settings. What it keeps between calls is in `kept`, which a story may forget.
import { Amplify } from 'aws-amplify';
import { cognitoUserPoolsTokenProvider } from 'aws-amplify/auth/cognito';
import { settings } from './story.mjs';

export const kept = new Map();

Amplify.configure({
  Auth: {
    Cognito: {
      userPoolId: settings.user_pool_id,
      userPoolClientId: settings.client_id,
      userPoolEndpoint: settings.endpoint,
    },
  },
});
// After configure(), which sets a storage of its own.
cognitoUserPoolsTokenProvider.setKeyValueStorage({
  setItem: async (key, value) => void kept.set(key, value),
  getItem: async (key) => kept.get(key) ?? null,
  removeItem: async (key) => void kept.delete(key),
  clear: async () => kept.clear(),
});
