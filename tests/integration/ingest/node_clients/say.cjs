// Makes the calls named in argv[2] (JSON) with one released client; writes what went wrong as a JSON list.
const { writeSync } = require('node:fs');

const { client, address, writeKey, calls, options } = JSON.parse(process.argv[2]);
const failures = [];
const note = (error) => failures.push(String((error && (error.reason || error.message)) || error));

// The process ends by itself when a client has nothing left to send, its retries included.
process.on('unhandledRejection', note);
process.on('exit', () => writeSync(1, JSON.stringify(failures)));

async function segment() {
  const { Analytics } = require('@segment/analytics-node');
  const analytics = new Analytics({ writeKey, host: address, flushInterval: 100, ...options });
  analytics.on('error', note);
  for (const [call, message] of calls) analytics[call](message);
  await analytics.closeAndFlush({ timeout: 30000 });
}

async function rudder() {
  const Analytics = require('@rudderstack/rudder-sdk-node');
  const analytics = new Analytics(writeKey, {
    dataPlaneUrl: address,
    flushInterval: 100,
    errorHandler: note,
    ...options,
  });
  // Its log goes to stdout, where the answer is written.
  analytics.logger = { error() {}, warn() {}, info() {}, debug() {}, silly() {} };
  for (const [call, message] of calls) analytics[call](message);
}

({ segment, rudder })[client]().catch(note);
