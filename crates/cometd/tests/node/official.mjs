// What the official client must see of the server that `official_client.rs` runs: `node official.mjs BASE TRANSPORT PROXY`.

import assert from "node:assert/strict";

import {AckExtension, client, collect, TimeSyncExtension, until} from "./client.mjs";

const [base, transport, proxy] = process.argv.slice(2);
const url = `${base}/bayeux`;

/** An order to the test's server, which lies beside the Bayeux URL. */
async function order(path) {
    const answer = await fetch(`${base}${path}`, {method: "POST"});
    assert.equal(answer.status, 200);
    return answer.text();
}

const publish = (user, channel, first, count = 1) =>
    order(`/publish?user=${user}&channel=${channel}&first=${first}&count=${count}`);

const disconnected = cometd => new Promise(done => cometd.disconnect(done));

/** Publishes while connections are cut at many places, until something came after the last cut. */
async function cutOften(seen, up = 1000) {
    let number = 0;
    const cuts = async () => Number(await order("/cuts"));
    for (const [way, end] of [["up", up], ["down", 1000]]) {
        for (let after = 0; after < end; after += 83) {
            const before = await cuts();
            await order(`/cut?way=${way}&after=${after}`);
            await until("the cut", async () => {
                await publish("ada", "/v2/me/calls", number, 2);
                number += 2;
                return await cuts() > before;
            });
            const count = seen.length;
            await until("a message after the cut", async () => {
                await publish("ada", "/v2/me/calls", number++);
                return seen.length > count;
            });
        }
    }
    await until("the last one", async () => {
        await publish("ada", "/v2/me/calls", number++);
        // A client that starts anew may miss it, and gets one of the next.
        await new Promise(it => setTimeout(it, 200));
        return [seen.at(-1)].flat().at(-1) === number - 1;
    });
}

const cases = {
    async "wildcards match one level or all"() {
        const ada = await client(url, "ada", transport);
        const one = await collect(ada, "/v2/me/*");
        const deep = await collect(ada, "/deep/**");
        const exact = await collect(ada, "/v2/me");
        for (const [number, channel] of ["/v2/me", "/v2/me/devices", "/v2/me/a/b", "/deep/a/b", "/deep/c"].entries()) {
            await publish("ada", channel, number);
        }
        await publish("bob", "/v2/me/devices", 99);
        await until("the deep channels", () => deep.length === 2);
        assert.deepEqual(one, [["/v2/me/devices", 1]]);
        assert.deepEqual(deep, [["/deep/a/b", 3], ["/deep/c", 4]]);
        assert.deepEqual(exact, [["/v2/me", 0]]);
        await disconnected(ada);
    },

    async "what is refused is said"() {
        const ada = await client(url, "ada", transport);
        await assert.rejects(collect(ada, "/secret/*"), /403::/);
        const reply = await new Promise(done => ada.publish("/v2/me", {a: 1}, done));
        assert.match(reply.error, /^403::/);
        await disconnected(ada);
    },

    async "a batch is answered as a whole"() {
        const ada = await client(url, "ada", transport);
        const subscribed = [];
        ada.batch(() => {
            for (const channel of ["/a", "/b/*", "/c/**"]) {
                ada.subscribe(channel, () => {}, reply => subscribed.push(reply.subscription));
            }
        });
        await until("three replies", () => subscribed.length === 3);
        assert.deepEqual(subscribed, ["/a", "/b/*", "/c/**"]);
        await disconnected(ada);
    },

    async "an unsubscribed channel is silent"() {
        const ada = await client(url, "ada", transport);
        const seen = [];
        const subscription = ada.subscribe("/a", it => seen.push(it.data));
        const others = await collect(ada, "/b");
        await publish("ada", "/a", 1);
        await until("the first message", () => seen.length === 1);
        await new Promise(done => ada.unsubscribe(subscription, done));
        await publish("ada", "/a", 2);
        await publish("ada", "/b", 3);
        await until("the other channel", () => others.length === 1);
        assert.deepEqual(seen, [1]);
        await disconnected(ada);
    },

    async "500 messages keep their order"() {
        const ada = await client(url, "ada", transport);
        const seen = await collect(ada, "/v2/me/*");
        await publish("ada", "/v2/me/calls", 0, 200);
        for (let first = 200; first < 500; first += 10) {
            await publish("ada", "/v2/me/calls", first, 10);
        }
        await until("all of them", () => seen.length >= 500);
        assert.deepEqual(seen.map(it => it[1]), [...Array(500).keys()]);
        await disconnected(ada);
    },

    async "clients that share cookies do not disturb each other"() {
        const replies = [];
        const listen = cometd => cometd.addListener("/meta/connect", it => replies.push(it));
        const tabs = await Promise.all(["ada", "ada", "bob", "bob"].map(it => client(url, it, transport)));
        tabs.forEach(listen);
        const seen = await Promise.all(tabs.map(it => collect(it, "/v2/me/*")));
        for (let round = 0; round < 20; round++) {
            await publish("ada", "/v2/me/calls", round);
            await publish("bob", "/v2/me/calls", 100 + round);
            await until("this round", () => seen.every(it => it.length === round + 1));
        }
        assert.ok(seen[0].every((it, round) => it[1] === round));
        assert.ok(seen[3].every((it, round) => it[1] === 100 + round));
        assert.ok(replies.every(it => it.successful && !it.advice?.["multiple-clients"]), JSON.stringify(replies));
        await Promise.all(tabs.map(disconnected));
    },

    async "tabs beyond the fourth poll from time to time until one of the others closes"() {
        const advised = [0, 0, 0, 0, 0, 0];
        const connects = [0, 0, 0, 0, 0, 0];
        const tabs = [];
        for (let number = 0; number < 6; number++) {
            tabs.push(await client(url, "ada", transport, cometd => cometd.addListener("/meta/connect", it => {
                connects[number]++;
                advised[number] += it.advice?.["multiple-clients"] ? 1 : 0;
            })));
        }
        const seen = await Promise.all(tabs.map(it => collect(it, "/v2/me/*")));
        if (transport !== "long-polling") {
            await publish("ada", "/v2/me/calls", 0, 3);
            await until("all six", () => seen.every(it => it.length === 3));
            assert.deepEqual(advised, [0, 0, 0, 0, 0, 0]);
            return Promise.all(tabs.map(disconnected));
        }
        const held = async () => Number(await order("/held"));
        await until("four held", async () => await held() === 4);
        await until("advice", () => advised.reduce((sum, it) => sum + it) >= 4);
        for (let round = 0; round < 5; round++) {
            const before = [...connects];
            await publish("ada", "/v2/me/calls", round);
            const late = new Set();
            await until("all six", () => {
                seen.forEach((it, number) => it.length <= round && connects[number] > before[number] + 1 && late.add(number));
                return seen.every(it => it.length === round + 1);
            });
            // Nobody came back twice before it was told: waiting was the interval and nothing else.
            assert.deepEqual([...late], []);
            assert.ok(seen.every(it => it[round][1] === round));
            assert.ok(await held() <= 4);
        }
        await disconnected(tabs.shift());
        await disconnected(tabs.shift());
        const settled = advised.slice(2);
        await until("the others all held", async () => await held() === 4);
        assert.ok(advised.slice(2).reduce((sum, it) => sum + it) <= settled.reduce((sum, it) => sum + it) + 4);
        const rest = advised.join();
        const round = connects[2] + 2;
        await until("another round", () => connects[2] >= round);
        assert.equal(advised.join(), rest);
        await Promise.all(tabs.map(disconnected));
    },

    async "the message type need not be appended to the URL"() {
        const paths = {appendMessageTypeToURL: false};
        for (const [number, there] of [url, `${url}/`].entries()) {
            const ada = await client(there, "ada", transport, () => {}, {}, paths);
            const seen = await collect(ada, "/v2/me/*");
            await publish("ada", "/v2/me/calls", number);
            await until("the message", () => seen.length === 1);
            await disconnected(ada);
        }
    },

    async "acknowledged messages arrive in order, with replies to connects"() {
        const acks = [];
        const ada = await client(url, "ada", transport, cometd => {
            cometd.addListener("/meta/connect", it => it.advice?.reconnect !== "none" && acks.push(it.ext.ack));
        }, {ack: new AckExtension()});
        const seen = await collect(ada, "/v2/me/*");
        for (let first = 0; first < 200; first += 10) {
            await publish("ada", "/v2/me/calls", first, 10);
        }
        await until("all of them", () => seen.length >= 200);
        assert.deepEqual(seen.map(it => it[1]), [...Array(200).keys()]);
        await until("the last number", () => acks.at(-1) === 200);
        await disconnected(ada);
    },

    async "the client learns the server's time"() {
        const sync = new TimeSyncExtension();
        const answers = [];
        const ada = await client(url, "ada", transport, cometd => {
            ["handshake", "connect"].forEach(kind => cometd.addListener(`/meta/${kind}`,
                it => it.ext && answers.push(it.ext.timesync)));
        }, {timesync: sync});
        await until("a connect that was held", () => answers.some(it => it.p >= 900));
        assert.ok(answers.every(it => ["tc", "ts", "p", "a"].every(key => Number.isInteger(it[key]))), JSON.stringify(answers));
        // Both have the same clock.
        assert.ok(Math.abs(sync.getTimeOffset()) < 500 + sync.getNetworkLag(), `${sync.getTimeOffset()}`);
        await disconnected(ada);
    },

    async "connections cut anywhere lose and repeat nothing that is acknowledged"() {
        let handshakes = 0;
        const ada = await client(`${proxy}/bayeux`, "ada", transport, () => handshakes++, {ack: new AckExtension()});
        const seen = await collect(ada, "/v2/me/*");
        await cutOften(seen);
        assert.deepEqual(seen.map(it => it[1]), [...seen.keys()]);
        assert.equal(handshakes, 1);
        await disconnected(ada);
    },

    async "connections cut anywhere lose nothing silently"() {
        const sessions = [];
        const ada = await client(`${proxy}/bayeux`, "ada", transport, cometd => {
            const seen = [];
            sessions.push(seen);
            cometd.subscribe("/v2/me/*", it => {
                seen.push(it.data);
                all.push(it.data);
            });
        });
        const all = [];
        // A client on a WebSocket that acknowledges nothing says little.
        await cutOften(all, transport === "websocket" ? 250 : 1000);
        for (const seen of sessions) {
            assert.deepEqual(seen, seen.map((_, place) => seen[0] + place), JSON.stringify(sessions));
        }
        assert.ok(sessions.length > 1);
        assert.ok(all.every((it, place) => place === 0 || it > all[place - 1]));
        await disconnected(ada);
    },

    async "a client whose session is gone shakes hands again by itself"() {
        const seen = [];
        let handshakes = 0;
        const ada = await client(url, "ada", transport, cometd => {
            handshakes++;
            cometd.subscribe("/v2/me/*", it => seen.push(it.data));
        });
        for (let round = 1; round <= 3; round++) {
            await until("the subscription", async () => {
                await publish("ada", "/v2/me/calls", round);
                return seen.includes(round);
            });
            await order("/end?user=ada");
            await until("another handshake", () => handshakes > round);
        }
        await disconnected(ada);
    },

    async "an idle connect is answered and followed by the next"() {
        let connects = 0;
        const ada = await client(url, "ada", transport,
            cometd => cometd.addListener("/meta/connect", it => connects += it.successful ? 1 : -1000));
        await until("three connects", () => connects >= 3);
        await disconnected(ada);
    },

    async "a client that disconnects leaves nothing behind"() {
        await until("no session", async () => await order("/sessions") === "0");
        const ada = await client(url, "ada", transport);
        assert.equal(await order("/sessions"), "1");
        await disconnected(ada);
        assert.equal(await order("/sessions"), "0");
    },
};

for (const [name, run] of Object.entries(cases)) {
    console.log(`${transport}: ${name}`);
    await run();
}
// Keep-alive connections would hold the process up.
process.exit(0);
