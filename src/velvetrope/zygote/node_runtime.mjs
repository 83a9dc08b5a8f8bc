// The runtime of Node functions: takes events from the Lambda Runtime API and has the function's handler answer them.
//
//     node node_runtime.mjs HANDLER          with the variables of a Lambda runtime, in the code's folder
//
// It does what AWS's own client does (`aws-lambda-ric`, which is used instead where the function brings it): CommonJS and
// ES modules; handlers that are async, that return a promise, or that call back; the context; console lines with time
// and request id, as text or JSON; errors and the ends of a process as AWS answers them. Streamed responses are refused.
//
// It needs Node's own modules only.
//
// Sources: AWS Lambda Developer Guide, "Using the Lambda runtime API", "Define Lambda function handler in Node.js", "Using
// the Lambda context object to retrieve Node.js function information", "Log and monitor Node.js Lambda functions".

import { existsSync, readFileSync, statSync } from "node:fs";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const BASE = "/2018-06-01/runtime";
const [HOST, PORT] = process.env.AWS_LAMBDA_RUNTIME_API.split("/", 1)[0].split(":");
const SECRET_PATH = process.env.AWS_LAMBDA_RUNTIME_API.slice(HOST.length + PORT.length + 1);
const AGENT = new Agent({ keepAlive: true, maxSockets: 1 });
const TASK_ROOT = process.env.LAMBDA_TASK_ROOT ?? process.cwd();

// What the exits of AWS's client say.
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;

class RuntimeError extends Error {
  constructor(name, message, stack) {
    super(message);
    this.name = name;
    if (stack !== undefined) this.stack = stack;
  }
}

// --- The Runtime API ---

function call(method, path, body, headers = {}) {
  return new Promise((fulfil, refuse) => {
    const asked = request(
      { host: HOST, port: PORT, path: SECRET_PATH + BASE + path, method, agent: AGENT, headers },
      (answer) => {
        const pieces = [];
        answer.on("data", (piece) => pieces.push(piece));
        answer.on("error", refuse);
        answer.on("end", () => {
          if (answer.statusCode >= 400 && answer.statusCode !== 413) {
            refuse(new Error(`The Runtime API answered ${answer.statusCode} to ${method} ${path}`));
          } else {
            fulfil({ headers: answer.headers, body: Buffer.concat(pieces).toString("utf8") });
          }
        });
      },
    );
    asked.on("error", refuse);
    asked.end(body);
  });
}

function post(path, text, headers = {}) {
  const body = Buffer.from(text, "utf8");
  return call("POST", path, body, { "Content-Type": "application/json", "Content-Length": body.length, ...headers });
}

function describe(error) {
  if (error instanceof Error || (typeof error === "object" && error !== null && "message" in error && "stack" in error)) {
    return {
      errorType: String(error.name ?? "Error"),
      errorMessage: String(error.message),
      trace: String(error.stack ?? "").split("\n"),
    };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

// --- The console ---

let requestId = "";
const AS_JSON = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const LEAST = AS_JSON ? LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase() ?? "TRACE") : 0;

function line(level, message, error) {
  const timestamp = new Date().toISOString();
  if (!AS_JSON) {
    return `${timestamp}\t${requestId || "undefined"}\t${level}\t${message.replaceAll("\n", "\r")}\n`;
  }
  const value = { timestamp, level, requestId: requestId || undefined, message };
  if (error !== undefined) {
    const { errorType, errorMessage, trace } = describe(error);
    Object.assign(value, { errorType, errorMessage, stackTrace: trace });
  }
  return `${JSON.stringify(value)}\n`;
}

function write(level, parts) {
  if (LEVELS.indexOf(level) < LEAST) return;
  const error = parts.find((part) => part instanceof Error);
  process.stdout.write(line(level, format(...parts), error));
}

function patchConsole() {
  const methods = { trace: "TRACE", debug: "DEBUG", info: "INFO", log: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };
  for (const [method, level] of Object.entries(methods)) {
    console[method] = (...parts) => write(level, parts);
  }
}

function logFailure(what, error) {
  const { errorType, errorMessage, trace } = describe(error);
  if (AS_JSON) write("ERROR", [what, error]);
  else write("ERROR", [`${what}\t${JSON.stringify({ errorType, errorMessage, stack: trace })}`]);
}

// --- The handler ---

function isFile(path) {
  return existsSync(path) && statSync(path).isFile();
}

function isModulePackage(file) {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const description = join(folder, "package.json");
    if (isFile(description)) return JSON.parse(readFileSync(description, "utf8")).type === "module";
    if (folder === dirname(folder)) return false;
  }
}

async function loadModule(root, name) {
  const place = resolve(TASK_ROOT, root, name);
  const file = ["", ".js", ".mjs", ".cjs"].map((ending) => place + ending).find(isFile);
  const load = createRequire(join(TASK_ROOT, "package.json"));
  if (file === undefined) {
    // A package of the code's own, or of a layer.
    return load(load.resolve(root ? `${root}/${name}` : name, { paths: [TASK_ROOT] }));
  }
  if (file.endsWith(".mjs") || (file.endsWith(".js") && isModulePackage(file))) return import(pathToFileURL(file).href);
  try {
    return load(file);
  } catch (error) {
    if (error?.code === "ERR_REQUIRE_ESM" || error?.code === "ERR_REQUIRE_ASYNC_MODULE") {
      return import(pathToFileURL(file).href);
    }
    throw error;
  }
}

async function loadHandler(handler) {
  if (handler.includes("..")) {
    throw new RuntimeError(
      "Runtime.MalformedHandlerName",
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = basename(handler);
  const parts = /^([^.]*)\.(.*)$/.exec(last);
  if (parts === null) throw new RuntimeError("Runtime.MalformedHandlerName", "Bad handler");
  const [, name, path] = parts;
  let found;
  try {
    found = await loadModule(handler.slice(0, handler.length - last.length), name);
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeError("Runtime.UserCodeSyntaxError", error.message, error.stack);
    if (error?.code === "MODULE_NOT_FOUND" || error?.code === "ERR_MODULE_NOT_FOUND") {
      throw new RuntimeError("Runtime.ImportModuleError", `Error: ${error.message}`, error.stack);
    }
    throw error;
  }
  const value = path.split(".").reduce((from, key) => from?.[key], found) ??
    path.split(".").reduce((from, key) => from?.[key], found?.default);
  if (value === undefined || value === null) {
    throw new RuntimeError("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  }
  if (typeof value !== "function") throw new RuntimeError("Runtime.HandlerNotFound", `${handler} is not a function`);
  return value;
}

// --- One invocation ---

function parseHeader(headers, name) {
  return headers[name] ? JSON.parse(headers[name]) : undefined;
}

function makeContext(headers, finish) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers, "lambda-runtime-client-context"),
    identity: parseHeader(headers, "lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    done: (error, result) => finish(error, result),
    succeed: (result) => finish(undefined, result),
    fail: (error) => finish(error ?? "handled"),
  };
}

// What ends the invocation that is under way: settle(error) or settle(undefined, result). Once.
let settle;
// What a handler that called back waits for: until its event loop is empty, it may still change its mind by an error.
let onEmptyLoop;

function render(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? "null";
  } catch {
    throw new Error("Unable to stringify response body");
  }
}

function run(handler, headers, event) {
  return new Promise((fulfil, refuse) => {
    let settled = false;
    settle = (error, result) => {
      if (settled) return;
      settled = true;
      onEmptyLoop = undefined;
      if (error !== undefined && error !== null) refuse(error);
      else fulfil(result);
    };
    const callBack = (error, result) => {
      if (error || !context.callbackWaitsForEmptyEventLoop) settle(error || undefined, result);
      else onEmptyLoop = () => settle(undefined, result);
    };
    const context = makeContext(headers, (error, result) => settle(error, result));
    // A handler that neither promises nor calls back has nothing more to say when nothing is left to happen.
    onEmptyLoop = () => settle(undefined, null);
    try {
      const returned = handler(JSON.parse(event), context, callBack);
      if (typeof returned?.then === "function") {
        onEmptyLoop = () => settle(undefined, null);
        returned.then((result) => settle(undefined, result), (error) => settle(error ?? new Error("handled")));
      }
    } catch (error) {
      settle(error ?? new Error("handled"));
    }
  });
}

async function serve(handler) {
  for (;;) {
    const { headers, body } = await call("GET", "/invocation/next");
    requestId = headers["lambda-runtime-aws-request-id"];
    if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    else delete process.env._X_AMZN_TRACE_ID;
    let answer;
    try {
      answer = render(await run(handler, headers, body));
    } catch (error) {
      logFailure("Invoke Error", error);
      await fail(error);
      continue;
    } finally {
      settle = undefined;
    }
    await post(`/invocation/${requestId}/response`, answer);
  }
}

function fail(error) {
  const described = describe(error);
  return post(`/invocation/${requestId}/error`, JSON.stringify(described), {
    "Lambda-Runtime-Function-Error-Type": described.errorType.replace(/[^\x21-\x7e]/g, "_"),
  });
}

// --- From begin to end ---

async function leave(what, error, code) {
  logFailure(what, error);
  try {
    if (settle !== undefined) await fail(error);
    else if (requestId === "") await failInit(error);
  } finally {
    process.exit(code);
  }
}

function failInit(error) {
  const described = describe(error);
  return post("/init/error", JSON.stringify(described), {
    "Lambda-Runtime-Function-Error-Type": described.errorType.replace(/[^\x21-\x7e]/g, "_"),
  });
}

async function main() {
  patchConsole();
  globalThis.awslambda = {
    streamifyResponse: () => {
      throw new RuntimeError("Runtime.StreamingNotSupported", "Streamed responses are not supported here.");
    },
  };
  process.on("uncaughtException", (error) => leave("Uncaught Exception", error, EXIT_UNCAUGHT_EXCEPTION));
  process.on("unhandledRejection", (reason) => {
    const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
    const error = new RuntimeError("Runtime.UnhandledPromiseRejection", message, reason?.stack);
    leave("Unhandled Promise Rejection", error, EXIT_UNHANDLED_REJECTION);
  });
  process.on("beforeExit", () => onEmptyLoop?.());
  let handler;
  try {
    handler = await loadHandler(process.argv[2]);
  } catch (error) {
    await leave("Uncaught Exception", error, 1);
    return;
  }
  await serve(handler);
}

main();
