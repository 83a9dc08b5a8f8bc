import { describe, expect, it } from "vitest";
import { messageOf, parseAuthorization } from "./client";
import { parseConfig } from "../config";

describe("parseAuthorization", () => {
  it("takes the header apart", () => {
    const parts = parseAuthorization(
      "AWS4-HMAC-SHA256 Credential=ASIAX/20260101/us-west-2/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff",
    );

    expect(parts.accessKeyId).toBe("ASIAX");
    expect(parts.scope).toBe("20260101/us-west-2/execute-api/aws4_request");
    expect(parts.signedHeaders).toEqual(["host", "x-amz-date"]);
  });

  it("refuses another scheme", () => {
    expect(() => parseAuthorization("Bearer abc")).toThrow("not a SigV4");
  });
});

describe("messageOf", () => {
  it("reads both spellings that API Gateway uses", () => {
    expect(messageOf('{"message":"Forbidden"}')).toBe("Forbidden");
    expect(messageOf('{"Message":"User: x is not authorized"}')).toBe("User: x is not authorized");
  });

  it("shows an answer that is not JSON as it is", () => {
    expect(messageOf("HTTP content length exceeded 10485760 bytes.")).toContain("10485760");
  });
});

describe("parseConfig", () => {
  it("names the member that is missing", () => {
    expect(() => parseConfig({ endpoint_url: "http://localhost:4800" })).toThrow("no region");
  });
});
