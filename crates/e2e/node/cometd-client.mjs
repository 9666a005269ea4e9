// The official CometD client, told by its argument whom to be; every message goes out as a JSON line.
//
// The argument is a JSON object: url, user, password (HTTP Basic), transport ("long-polling" or "websocket"),
// subscribe (a list of channels). Orders come as JSON lines: {"order":"subscribe"|"unsubscribe","channel":…},
// {"order":"disconnect"}. End of input ends the process without a disconnect, as a closed laptop does.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const config = JSON.parse(process.argv[2]);
// The packages are installed beside the build, not beside this file.
const require = createRequire(pathToFileURL(`${config.modules}/`));
const load = async (name) => import(pathToFileURL(require.resolve(name)));

// A failed request hangs on the message with its whole transport, which is no JSON.
const plain = ({ failure, ...message }) =>
  failure ? { ...message, failure: { httpCode: failure.httpCode, websocketCode: failure.websocketCode, reason: failure.reason } } : message;
const tell = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);

const { adapt } = await load("cometd-nodejs-client");
adapt();
const headers = {
  Authorization: `Basic ${Buffer.from(`${config.user}:${config.password}`).toString("base64")}`,
  ...config.headers,
};
const PlainWebSocket = globalThis.window.WebSocket;
// The client has no setting for the headers of a WebSocket's upgrade request.
globalThis.window.WebSocket = class extends PlainWebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers });
  }
};
console.log = console.info = console.warn = console.error = console.debug = (...words) => tell("log", { text: words.join(" ") });
globalThis.window.console = console;

const { CometD } = await load("cometd");
const cometd = new CometD();
for (const name of ["websocket", "long-polling", "callback-polling"]) {
  if (name !== config.transport) {
    cometd.unregisterTransport(name);
  }
}
cometd.configure({ url: config.url, requestHeaders: headers, logLevel: "warn", ...config.options });

for (const channel of ["handshake", "connect", "subscribe", "unsubscribe", "disconnect"]) {
  cometd.addListener(`/meta/${channel}`, (message) => tell(`meta-${channel}`, { message: plain(message) }));
}
const subscriptions = new Map();
const subscribe = (channel) =>
  subscriptions.set(channel, cometd.subscribe(channel, (message) => tell("message", { message })));

cometd.addListener("/meta/handshake", (message) => {
  // Subscriptions belong to the session, so each new session needs them anew.
  if (message.successful) {
    cometd.batch(() => config.subscribe.forEach(subscribe));
  }
});
cometd.handshake();

const orders = createInterface({ input: process.stdin });
orders.on("line", (line) => {
  const order = JSON.parse(line);
  if (order.order === "subscribe") {
    subscribe(order.channel);
  } else if (order.order === "unsubscribe") {
    cometd.unsubscribe(subscriptions.get(order.channel));
  } else if (order.order === "disconnect") {
    cometd.disconnect(() => tell("disconnected"));
  }
});
orders.on("close", () => process.exit(0));
