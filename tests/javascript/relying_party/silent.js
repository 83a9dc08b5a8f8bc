// The page in a hidden frame that oidc-client-ts is sent back to.
import { UserManager } from 'oidc-client-ts';

new UserManager({ authority: 'unused', client_id: 'unused', redirect_uri: 'unused' }).signinSilentCallback();
