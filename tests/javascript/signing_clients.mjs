// Calls to deployed APIs, each signed by one of the JavaScript clients that sign for API Gateway.
import { request as httpRequest } from 'node:http';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { Amplify } from 'aws-amplify';
import * as rest from 'aws-amplify/api';
import aws4 from 'aws4';
import { AwsClient } from 'aws4fetch';
import { settings, story, tell } from './story.mjs';

const { region, api_url: apiUrl } = settings;

/** Amplify's REST category, with credentials from outside. */
async function amplify({ path, method, body, credentials }) {
  Amplify.configure(
    { API: { REST: { story: { endpoint: apiUrl[settings.kind], region, service: 'execute-api' } } } },
    { Auth: { credentialsProvider: { getCredentialsAndIdentityId: async () => ({ credentials }), clearCredentialsAndIdentityId() {} } } },
  );
  const call = rest[method.toLowerCase() === 'delete' ? 'del' : method.toLowerCase()];
  try {
    const { response } = call({ apiName: 'story', path, options: body ? { body: JSON.parse(body) } : {} });
    return (await response).statusCode;
  } catch (error) {
    return error.response?.statusCode ?? `${error.name}: ${error.message}`;
  }
}

async function viaAws4({ url, method, body, credentials, service }) {
  const options = aws4.sign(
    { host: url.host, path: url.pathname + url.search, method, body, service, region, headers: body ? { 'Content-Type': 'application/json' } : {} },
    credentials,
  );
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ ...options, hostname: url.hostname, port: url.port }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function viaAws4fetch({ url, method, body, credentials, service }) {
  const client = new AwsClient({ ...credentials, service, region, retries: 0 });
  return (await client.fetch(url, { method, body })).status;
}

function smithyRequest({ url, method, body }) {
  const query = {};
  for (const [name, value] of url.searchParams) {
    query[name] = name in query ? [].concat(query[name], value) : value;
  }
  const headers = { host: url.host };
  return { method, protocol: url.protocol, hostname: url.hostname, port: Number(url.port), path: url.pathname, query, headers, body };
}

function signer({ credentials, service }) {
  return new SignatureV4({ credentials, region, service, sha256: Sha256 });
}

async function viaSmithy(call) {
  const { headers } = await signer(call).sign(smithyRequest(call));
  return (await fetch(call.url, { method: call.method, body: call.body, headers })).status;
}

/** A presigned URL, signed `age` seconds ago and good for `expiresIn`. */
async function presigned(call) {
  const signingDate = new Date(Date.now() - (call.age ?? 0) * 1000);
  const signed = await signer(call).presign(smithyRequest(call), { expiresIn: call.expires_in, signingDate });
  const url = new URL(call.url);
  url.search = Object.entries(signed.query)
    .flatMap(([name, value]) => [].concat(value).map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`))
    .join('&');
  return (await fetch(url, { method: call.method })).status;
}

const clients = { amplify, aws4: viaAws4, aws4fetch: viaAws4fetch, smithy: viaSmithy, presigned };

await story(async () => {
  for (const call of settings.calls) {
    const whole = { method: 'GET', service: 'execute-api', ...call, url: new URL(apiUrl[settings.kind] + call.path) };
    let status;
    try {
      status = await clients[call.client](whole);
    } catch (error) {
      status = `${error.name}: ${error.message}`;
    }
    tell(call.name, status);
  }
  tell('end');
});
