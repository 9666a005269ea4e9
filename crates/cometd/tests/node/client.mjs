// The official CometD client, as a library for the scripts here.

import {createRequire} from "node:module";
import {join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

const modules = resolve(process.env.UNDERTONE_NODE_MODULES ?? join(import.meta.dirname, "node_modules"));
const installed = name => import(pathToFileURL(createRequire(join(modules, "x.js")).resolve(name)));
const {adapt} = await installed("cometd-nodejs-client");
const {CometD, AckExtension, TimeSyncExtension} = await installed("cometd");

export {AckExtension, TimeSyncExtension};

// All clients of this process share the cookies that the server sets, as the tabs of one browser do.
adapt();

/** A client of one user that has shaken hands over one transport, with extensions by name and other configuration. */
export async function client(url, user, transport, subscribe = () => {}, extensions = {}, configuration = {}) {
    const cometd = new CometD();
    Object.entries(extensions).forEach(([name, it]) => cometd.registerExtension(name, it));
    const others = ["websocket", "long-polling", "callback-polling"].filter(it => it !== transport);
    others.forEach(it => cometd.unregisterTransport(it));
    cometd.configure({
        // A WebSocket cannot be given headers, and a URL with a query cannot be appended to.
        url: transport === "websocket" ? `${url}?user=${user}` : url,
        requestHeaders: {"X-User": user},
        backoffIncrement: 100,
        ...configuration,
    });
    cometd.addListener("/meta/handshake", reply => reply.successful && subscribe(cometd));
    await new Promise((done, failed) => cometd.handshake(reply => {
        reply.successful ? done() : failed(new Error(JSON.stringify(reply)));
    }));
    return cometd;
}

/** Subscribes and collects what arrives. */
export async function collect(cometd, channel, into = []) {
    await new Promise((done, failed) => cometd.subscribe(channel, it => into.push([it.channel, it.data]), reply => {
        reply.successful ? done() : failed(new Error(JSON.stringify(reply)));
    }));
    return into;
}

/** Resolves once a condition holds. The deadline is for a server that never gets there, not for a slow machine. */
export async function until(what, condition) {
    const deadline = Date.now() + 30_000;
    while (!await condition()) {
        if (Date.now() > deadline) {
            throw new Error(`still waiting: ${what}`);
        }
        await new Promise(it => setTimeout(it, 10));
    }
}
