// A SAML identity provider, by samlify: a page to sign in on, signed and encrypted responses, single logout both ways.
// The test registers the service provider by POST /register, and is the browser that goes from page to page.
import { createServer } from 'node:http';
import samlify from 'samlify';
import { settings, tell } from './story.mjs';

const { redirect, post } = samlify.Constants.namespace.binding;
const SUCCESS = samlify.Constants.StatusCode.Success;
const SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';

// samlify leaves schemas to whoever uses it. Our messages are read by its extractor, which wants what it looks for.
samlify.setSchemaValidator({ validate: async () => 'not looked at' });

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.writeHead(400, { 'content-type': 'text/plain' }).end(`${error.message ?? error}`);
  });
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://127.0.0.1:${server.address().port}`;

const template = samlify.SamlLib.defaultLoginResponseTemplate.context
  .replace('{AuthnStatement}', '<saml:AuthnStatement AuthnInstant="{IssueInstant}" SessionIndex="{SessionIndex}"><saml:AuthnContext>' +
    '<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>' +
    '</saml:AuthnContext></saml:AuthnStatement>')
  .replace('{AttributeStatement}', '<saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>{Mail}' +
    '</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>');

function identityProvider(encrypts) {
  return samlify.IdentityProvider({
    entityID: `${origin}/metadata`,
    privateKey: settings.key,
    signingCert: settings.certificate,
    requestSignatureAlgorithm: SHA256,
    isAssertionEncrypted: encrypts,
    wantAuthnRequestsSigned: true,
    wantLogoutRequestSigned: true,
    wantLogoutResponseSigned: true,
    nameIDFormat: ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    singleSignOnService: [{ Binding: redirect, Location: `${origin}/sso` }],
    singleLogoutService: [{ Binding: redirect, Location: `${origin}/slo` }, { Binding: post, Location: `${origin}/slo` }],
    loginResponseTemplate: { context: template, attributes: [] },
  });
}

let idp = identityProvider(false);
let sp = null;

function register({ entityId, consumer, logout, signing, encryption }) {
  idp = identityProvider(encryption !== null);
  sp = samlify.ServiceProvider({
    entityID: entityId,
    authnRequestsSigned: true,
    wantAssertionsSigned: true,
    wantLogoutRequestSigned: true,
    wantLogoutResponseSigned: true,
    requestSignatureAlgorithm: SHA256,
    signingCert: signing,
    ...(encryption === null ? {} : { encryptCert: encryption }),
    dataEncryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
    keyEncryptionAlgorithm: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
    assertionConsumerService: [{ Binding: post, Location: consumer }],
    singleLogoutService: [{ Binding: post, Location: logout }],
  });
}

const bodyOf = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
};

/** What samlify wants of a message in a query, with the octets that were signed. */
function inQuery(url) {
  const raw = url.split('?')[1] ?? '';
  return { query: Object.fromEntries(new URLSearchParams(raw)), octetString: raw.split('&Signature=')[0] };
}

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** A page whose form goes to `action`, when the person presses the button. */
function page(response, title, action, fields, more = '') {
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`);
  response.writeHead(200, { 'content-type': 'text/html' }).end(
    `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>` +
      `<form method="post" action="${escaped(action)}">${inputs.join('')}${more}<button>Continue</button></form></html>`,
  );
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, origin);
  const message = inQuery(request.url);
  switch (`${request.method} ${pathname}`) {
    case 'GET /metadata':
      response.writeHead(200, { 'content-type': 'application/samlmetadata+xml' }).end(idp.getMetadata());
      break;
    case 'POST /register':
      register(JSON.parse(await bodyOf(request)));
      response.writeHead(204).end();
      break;
    case 'GET /sso': {
      const { extract } = await idp.parseLoginRequest(sp, 'redirect', message);
      const asked = { id: extract.request.id, RelayState: message.query.RelayState };
      page(response, 'Sign in at work', `${origin}/sso`, asked, '<label>Name <input name="name" required></label>');
      break;
    }
    case 'POST /sso': {
      const form = Object.fromEntries(new URLSearchParams(await bodyOf(request)));
      const made = await respond(form.id, form.name);
      page(response, 'Back to the app', made.entityEndpoint, { SAMLResponse: made.context, RelayState: form.RelayState });
      break;
    }
    case 'GET /slo': {
      if (message.query.SAMLResponse) {
        const { extract } = await idp.parseLogoutResponse(sp, 'redirect', message);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(extract.response));
        break;
      }
      const asked = await idp.parseLogoutRequest(sp, 'redirect', message);
      const made = idp.createLogoutResponse(sp, asked, 'post');
      tell('logout', { nameId: asked.extract.nameID, sessionIndex: asked.extract.sessionIndex });
      page(response, 'Signed out at work', made.entityEndpoint, { SAMLResponse: made.context, RelayState: message.query.RelayState });
      break;
    }
    case 'GET /leave': {
      const user = { logoutNameID: message.query.name, sessionIndex: 'session-1' };
      const made = idp.createLogoutRequest(sp, 'post', user);
      page(response, 'Sign out everywhere', made.entityEndpoint, { SAMLRequest: made.context, RelayState: 'from-work' });
      break;
    }
    default:
      response.writeHead(404).end();
  }
}

function respond(requestId, name) {
  const now = new Date();
  const later = new Date(now.getTime() + 300_000).toISOString();
  const consumer = sp.entityMeta.getAssertionConsumerService('post');
  const values = {
    ID: `_${crypto.randomUUID()}`,
    AssertionID: `_${crypto.randomUUID()}`,
    Destination: consumer,
    SubjectRecipient: consumer,
    Audience: sp.entityMeta.getEntityID(),
    Issuer: idp.entityMeta.getEntityID(),
    IssueInstant: now.toISOString(),
    ConditionsNotBefore: now.toISOString(),
    ConditionsNotOnOrAfter: later,
    SubjectConfirmationDataNotOnOrAfter: later,
    NameIDFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    NameID: name,
    InResponseTo: requestId,
    StatusCode: SUCCESS,
    SessionIndex: 'session-1',
    Mail: `${name}@example.com`,
  };
  const customTagReplacement = (text) => ({ id: values.ID, context: samlify.SamlLib.replaceTagsByValue(text, values) });
  return idp.createLoginResponse(sp, { extract: { request: { id: requestId } } }, 'post', {}, { customTagReplacement });
}

tell('ready', origin);
process.stdin.on('end', () => process.exit(0));
