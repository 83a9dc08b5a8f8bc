import { AwsV4Signer } from "aws4fetch";
import type { Credentials } from "../auth/session";
import type { DemoConfig } from "../config";

/** One call, told in full: what was sent, how it was signed, what came back. */
export interface CallRecord {
  method: string;
  url: string;
  signed: SignedParts | undefined;
  status: number;
  errorType: string | undefined;
  requestId: string | undefined;
  body: string;
  message: string;
  milliseconds: number;
}

export interface SignedParts {
  algorithm: string;
  accessKeyId: string;
  scope: string;
  signedHeaders: string[];
  signature: string;
}

const AUTHORIZATION = /^(\S+) Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)$/;

/** The parts of a SigV4 Authorization header. Throws if it is not one. */
export function parseAuthorization(header: string): SignedParts {
  const match = AUTHORIZATION.exec(header);
  if (match === null) throw new Error("not a SigV4 Authorization header");
  const [, algorithm, accessKeyId, scope, signedHeaders, signature] = match as unknown as [string, ...string[]];
  return {
    algorithm: algorithm ?? "",
    accessKeyId: accessKeyId ?? "",
    scope: scope ?? "",
    signedHeaders: (signedHeaders ?? "").split(";"),
    signature: signature ?? "",
  };
}

/** The sentence of an answer: API Gateway writes `message`, and `Message` when a policy refused. */
export function messageOf(body: string): string {
  try {
    const document = JSON.parse(body) as Record<string, unknown>;
    const found = document["message"] ?? document["Message"];
    return typeof found === "string" ? found : body;
  } catch {
    return body;
  }
}

/** GET /no-auth: an API key and nothing else. */
export async function callNoAuth(config: DemoConfig): Promise<CallRecord> {
  return send("GET", `${config.api_url}/no-auth`, { "x-api-key": config.api_key }, undefined);
}

/** GET /require-auth: an API key, and a signature made with whoever's credentials these are. */
export async function callRequireAuth(config: DemoConfig, credentials: Credentials): Promise<CallRecord> {
  const url = `${config.api_url}/require-auth`;
  const headers = await sign("execute-api", config, credentials, "GET", url, { "x-api-key": config.api_key });
  return send("GET", url, headers, parseAuthorization(headers["authorization"] ?? ""));
}

/** Who the credentials are to IAM: STS GetCallerIdentity. Returns the caller's ARN. */
export async function callerArn(config: DemoConfig, credentials: Credentials): Promise<string> {
  const body = "Action=GetCallerIdentity&Version=2011-06-15";
  const url = `${config.endpoint_url}/`;
  const given = { "content-type": "application/x-www-form-urlencoded" };
  const headers = await sign("sts", config, credentials, "POST", url, given, body);
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  const arn = /<Arn>([^<]+)<\/Arn>/.exec(text)?.[1];
  if (arn === undefined) throw new Error(`GetCallerIdentity answered ${response.status}.`);
  return arn;
}

async function sign(
  service: string,
  config: DemoConfig,
  credentials: Credentials,
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Record<string, string>> {
  const signer = new AwsV4Signer({
    method,
    url,
    headers,
    ...(body === undefined ? {} : { body }),
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey,
    sessionToken: credentials.sessionToken,
    service,
    region: config.region,
    allHeaders: true,
  });
  const signed = await signer.sign();
  const out: Record<string, string> = {};
  signed.headers.forEach((value, name) => {
    if (name !== "host") out[name] = value;
  });
  return out;
}

async function send(
  method: string,
  url: string,
  headers: Record<string, string>,
  signed: SignedParts | undefined,
): Promise<CallRecord> {
  const started = performance.now();
  const response = await fetch(url, { method, headers, cache: "no-store" });
  const body = await response.text();
  return {
    method,
    url,
    signed,
    status: response.status,
    errorType: response.headers.get("x-amzn-errortype") ?? undefined,
    requestId: response.headers.get("x-amzn-requestid") ?? undefined,
    body,
    message: messageOf(body),
    milliseconds: performance.now() - started,
  };
}
