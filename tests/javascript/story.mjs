// How a test's script and the test talk: one JSON text per line, out of stdout and into stdin.
import { createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const settings = JSON.parse(process.argv[2]);

/** Tell the test how a step went. */
export function tell(step, value = null) {
  process.stdout.write(`${JSON.stringify({ step, value })}\n`);
}

/** Ask the test for something that only it can know, such as the code in a mail, and tell it what it needs for that. */
export async function ask(what, ...told) {
  process.stdout.write(`${JSON.stringify({ ask: what, with: told })}\n`);
  return JSON.parse((await lines.next()).value);
}

/** What an authenticator app shows, `steps` half minutes from now (RFC 6238). */
export function totp(secret, steps = 0) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac('sha1', key).update(counter).digest();
  const offset = mac[19] & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** Run the story; an error that nobody caught is told, and ends it. */
export async function story(run) {
  try {
    await run();
    tell('end');
  } catch (error) {
    tell('failed', { name: error.name ?? error.code, message: error.message, stack: error.stack });
  }
  process.exit(0);
}
