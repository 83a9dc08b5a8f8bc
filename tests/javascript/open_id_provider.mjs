// An OpenID Connect provider of somebody else's make (oidc-provider), for the pool to be a relying party of.
//
// Settings: {client_id, client_secret, redirect_uri}. It prints its issuer, and ends with its standard input. Whoever is
// sent to it is carol, who has signed in and agreed already: a test has no hands.

import { createServer } from "node:http";

import Provider from "oidc-provider";

const settings = JSON.parse(process.argv[2]);
const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const carol = { sub: "carol", email: "carol@example.com", email_verified: true, name: "Carol" };
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: settings.client_id,
      client_secret: settings.client_secret,
      redirect_uris: [settings.redirect_uri],
      token_endpoint_auth_method: settings.token_endpoint_auth_method ?? "client_secret_post",
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_context, accountId) => ({ accountId, claims: () => carol }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  cookies: { keys: ["only for tests"] },
});

async function agree(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: carol.sub } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(
    request,
    response,
    { consent: { grantId: await grant.save() } },
    { mergeWithLastSubmission: true },
  );
}

const answer = provider.callback();
server.on("request", (request, response) => {
  const going = request.url.startsWith("/interaction/") ? agree(request, response) : answer(request, response);
  Promise.resolve(going).catch((failure) => {
    process.stderr.write(`${failure.stack}\n`);
    response.writeHead(500).end();
  });
});

process.stdin.on("end", () => process.exit(0)).resume();
console.log(JSON.stringify({ issuer }));
