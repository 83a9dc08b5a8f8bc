/** What the server tells a browser about itself: `/_velvetrope/config.json`. Nothing here is pasted by hand. */
export interface DemoConfig {
  endpoint_url: string;
  region: string;
  account_id: string;
  user_pool_id: string;
  user_pool_client_id: string;
  identity_pool_id: string;
  oauth_domain: string;
  api_id: string;
  api_url: string;
  api_key: string;
}

const MEMBERS: readonly (keyof DemoConfig)[] = [
  "endpoint_url",
  "region",
  "account_id",
  "user_pool_id",
  "user_pool_client_id",
  "identity_pool_id",
  "oauth_domain",
  "api_id",
  "api_url",
  "api_key",
];

/** Checks that every member is there and is text. Throws with the name of the first one that is not. */
export function parseConfig(document: unknown): DemoConfig {
  if (typeof document !== "object" || document === null) {
    throw new Error("The server's configuration is not a JSON object.");
  }
  const found = document as Record<string, unknown>;
  for (const member of MEMBERS) {
    if (typeof found[member] !== "string" || found[member] === "") {
      throw new Error(`The server's configuration has no ${member}. Is an app deployed?`);
    }
  }
  return found as unknown as DemoConfig;
}

export async function loadConfig(): Promise<DemoConfig> {
  const response = await fetch("/_velvetrope/config.json", { cache: "no-store" });
  if (!response.ok) {
    throw new Error(`The server gives no configuration to browsers (${response.status}). Start it with "velvetrope demo".`);
  }
  return parseConfig(await response.json());
}
