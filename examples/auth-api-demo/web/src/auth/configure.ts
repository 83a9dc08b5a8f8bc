import { Amplify } from "aws-amplify";
import { cognitoUserPoolsTokenProvider } from "aws-amplify/auth/cognito";
import { sessionStorage } from "aws-amplify/utils";
import type { DemoConfig } from "../config";

/** Point Amplify at this server. Tokens live as long as the tab: a reload keeps them, closing the tab forgets them. */
export function configureAmplify(config: DemoConfig): void {
  const home = `${window.location.origin}/`;
  Amplify.configure({
    Auth: {
      Cognito: {
        userPoolId: config.user_pool_id,
        userPoolClientId: config.user_pool_client_id,
        identityPoolId: config.identity_pool_id,
        userPoolEndpoint: config.endpoint_url,
        identityPoolEndpoint: config.endpoint_url,
        allowGuestAccess: true,
        loginWith: {
          oauth: {
            domain: config.oauth_domain,
            scopes: ["openid", "email", "profile", "aws.cognito.signin.user.admin"],
            redirectSignIn: [home],
            redirectSignOut: [home],
            responseType: "code",
          },
        },
      },
    },
  });
  cognitoUserPoolsTokenProvider.setKeyValueStorage(sessionStorage);
}
